package io.pbsattn.backend.reference;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.AttentionOutput;
import io.pbsattn.BlockGrid;
import io.pbsattn.KeyOrder;
import io.pbsattn.PrefillReport;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Arrays;

/** One call of the reference backend: its arrays, and what adds up over sequences and heads. */
final class ReferenceCall {

    private final AttentionRequest request;
    private final NDManager scope;
    private final NDArray q;
    private final NDArray k;
    private final NDArray v;
    private final NDList o = new NDList();
    private final NDList lse = new NDList();
    private final long start = System.nanoTime();
    private long permuteNanos;
    private long selectNanos;
    private long attendNanos;
    private long keptBlocks;
    private long causalBlocks;

    ReferenceCall(AttentionRequest request, NDManager scope) {
        this.request = request;
        this.scope = scope;
        q = computable(request.q());
        k = computable(request.k());
        v = computable(request.v());
    }

    AttentionOutput run() {
        for (int b = 0; b < request.batch(); ++b) {
            for (int kvHead = 0; kvHead < request.numKvHeads(); ++kvHead) {
                forwardGroup(b, kvHead);
            }
        }
        Shape shape = request.q().getShape();
        NDArray output = NDArrays.concat(o).reshape(shape);
        if (TorchType.of(output) != request.type()) {
            output = LibTorch.get().toType(scope, output, request.type());
        }
        NDArray logSums = null;
        if (request.wantsLse()) {
            logSums = NDArrays.concat(lse).reshape(shape.slice(0, 3));
        }
        NDManager manager = request.q().getManager();
        NDArray finished = request.finish(output);
        if (request.out() == null) {
            finished.attach(manager);
        }
        if (logSums != null) {
            logSums.attach(manager);
        }
        return new AttentionOutput(finished, logSums, report());
    }

    /** The query heads that read one KV head. */
    private void forwardGroup(int b, int kvHead) {
        BlockGrid grid = request.grid(request.lengths().q(b), request.lengths().k(b));
        ReferenceHead head = new ReferenceHead(grid, request.config(), request.softmaxScale());
        int groupSize = request.numQHeads() / request.numKvHeads();
        try (NDManager groupScope = scope.newSubManager()) {
            NDArray kh = rows(groupScope, "k", k, b, kvHead, grid.seqlenK());
            NDArray vh = rows(groupScope, "v", v, b, kvHead, grid.seqlenK());
            NDArray[] queries = new NDArray[groupSize];
            double[][] scores = new double[groupSize][];
            long t = System.nanoTime();
            for (int g = 0; g < groupSize; ++g) {
                int h = kvHead * groupSize + g;
                queries[g] = rows(groupScope, "q", q, b, h, grid.seqlenQ());
                scores[g] = head.keyScores(queries[g], kh);
            }
            if (request.config().keyOrder() == KeyOrder.PER_KV_HEAD) {
                Arrays.fill(scores, mean(scores));
            }
            permuteNanos += System.nanoTime() - t;
            for (int g = 0; g < groupSize; ++g) {
                forwardHead(head, b, kvHead * groupSize + g, queries[g], kh, vh, scores[g]);
            }
        }
    }

    private void forwardHead(
            ReferenceHead head, int b, int h, NDArray qh, NDArray kh, NDArray vh, double[] scores) {
        long begin = System.nanoTime();
        int[] order = head.permute(scores);
        NDArray indices = kh.getManager().create(Arrays.stream(order).asLongStream().toArray());
        NDArray permutedK = kh.get(new NDIndex("{}", indices));
        NDArray permutedV = vh.get(new NDIndex("{}", indices));
        long permuted = System.nanoTime();
        ReferenceHead.Selection selection = head.select(qh, permutedK, order);
        long selected = System.nanoTime();
        NDList rows = new NDList();
        NDList logSums = new NDList();
        head.attend(qh, permutedK, permutedV, order, selection.kept, rows, logSums);
        addPadded(o, NDArrays.concat(rows), 0);
        addPadded(lse, NDArrays.concat(logSums), Float.NEGATIVE_INFINITY);
        permuteNanos += permuted - begin;
        selectNanos += selected - permuted;
        attendNanos += System.nanoTime() - selected;
        record(head.grid(), b, h, order, scores, selection);
    }

    private void record(
            BlockGrid grid,
            int b,
            int h,
            int[] order,
            double[] scores,
            ReferenceHead.Selection selection) {
        causalBlocks += grid.causalBlocks();
        for (int i = 0; i < grid.qBlocks(); ++i) {
            for (int j = 0; j < grid.kBlocks(); ++j) {
                boolean kept = selection.kept[i][j];
                keptBlocks += kept ? 1 : 0;
                if (request.trace() != null) {
                    request.trace().setBlock(b, h, i, j, (float) selection.scores[i][j], kept);
                }
            }
        }
        if (request.trace() != null) {
            float[] rounded = new float[scores.length];
            for (int i = 0; i < rounded.length; ++i) {
                rounded[i] = (float) scores[i];
            }
            request.trace().setPermutation(b, h, order, rounded);
        }
    }

    /**
     * Adds a head's result to the list that becomes the output, with padding up to the rows of q.
     */
    private void addPadded(NDList list, NDArray rows, float padding) {
        long missing = request.seqlenQ() - rows.getShape().get(0);
        NDArray padded = rows;
        if (missing > 0) {
            long[] shape = rows.getShape().getShape().clone();
            shape[0] = missing;
            NDArray fill = rows.getManager().full(new Shape(shape), padding, rows.getDataType());
            padded = rows.concat(fill, 0);
        }
        padded.attach(scope);
        list.add(padded);
    }

    private NDArray rows(NDManager manager, String name, NDArray array, int b, int h, int rows) {
        NDArray result = array.get(manager, new NDIndex("{}, {}, :{}", b, h, rows));
        // The sum of x * 0 is 0 unless an x is NaN or infinite.
        if (result.mul(0).sum().toType(DataType.FLOAT64, false).getDouble() != 0) {
            throw new IllegalArgumentException(
                    name + ": NaN or infinity in sequence " + b + ", head " + h);
        }
        return result;
    }

    private NDArray computable(NDArray array) {
        boolean half = request.type() == TorchType.BFLOAT16 || request.type() == TorchType.FLOAT16;
        NDArray result =
                half ? LibTorch.get().toType(scope, array, TorchType.FLOAT32) : array.duplicate();
        result.attach(scope);
        return result;
    }

    private static double[] mean(double[][] scores) {
        double[] mean = new double[scores[0].length];
        for (double[] one : scores) {
            for (int i = 0; i < mean.length; ++i) {
                mean[i] += one[i] / scores.length;
            }
        }
        return mean;
    }

    private PrefillReport report() {
        return new PrefillReport(
                ReferenceBackendProvider.NAME,
                "",
                keptBlocks,
                causalBlocks,
                permuteNanos / 1e9,
                selectNanos / 1e9,
                attendNanos / 1e9,
                (System.nanoTime() - start) / 1e9);
    }
}

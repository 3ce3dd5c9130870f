package io.pbsattn.backend.reference;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.BlockGrid;
import io.pbsattn.PbsConfig;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Permuted Block-Sparse Attention of one query head of one sequence: {@link #keyScores} and {@link
 * #permute}, {@link #select}, {@link #attend}. q is (seqlenQ, headDim), k and v are (seqlenK,
 * headDim).
 *
 * @param grid the sequence's blocks
 * @param config the settings
 * @param scale factor on the query-key products
 */
record ReferenceHead(BlockGrid grid, PbsConfig config, double scale) {

    /** What {@link #select} found: score and fate of each block, (qBlocks, kBlocks). */
    static final class Selection {
        final double[][] scores;
        final boolean[][] kept;

        Selection(BlockGrid grid) {
            scores = new double[grid.qBlocks()][grid.kBlocks()];
            kept = new boolean[grid.qBlocks()][grid.kBlocks()];
        }
    }

    /**
     * Scores the keys of the complete segments: the mean attention that the last block of queries
     * gives each of them, without causal mask.
     */
    double[] keyScores(NDArray q, NDArray k) {
        if (grid.isDense()) {
            return new double[0];
        }
        NDArray last = q.get(new NDIndex("{}:", Math.max(0, grid.seqlenQ() - config.blockSize())));
        NDArray complete = k.get(new NDIndex(":{}", grid.completeKeys()));
        NDArray logits = float64(last).matMul(float64(complete).transpose()).mul(scale);
        return logits.softmax(-1).mean(new int[] {0}).toDoubleArray();
    }

    /** Orders the keys: by falling score inside each complete segment, the remainder in place. */
    int[] permute(double[] scores) {
        int[] order = IntStream.range(0, grid.seqlenK()).toArray();
        for (int s = 0; s < scores.length; s += config.segmentSize()) {
            int[] segment =
                    Arrays.stream(order, s, s + config.segmentSize())
                            .boxed()
                            .sorted(Comparator.comparingDouble(key -> -scores[key]))
                            .mapToInt(Integer::intValue)
                            .toArray();
            System.arraycopy(segment, 0, order, s, segment.length);
        }
        return order;
    }

    /**
     * Chooses the blocks to compute, from the means of the query blocks and of the permuted key
     * blocks.
     */
    Selection select(NDArray q, NDArray permutedK, int[] order) {
        Selection selection = new Selection(grid);
        NDArray qMeans = blockMeans(float64(q));
        NDArray kMeans = blockMeans(float64(permutedK));
        double[] logits = qMeans.matMul(kMeans.transpose()).mul(scale).toDoubleArray();
        int firstBlock =
                IntStream.range(0, order.length)
                                .filter(p -> order[p] == 0)
                                .findFirst()
                                .orElseThrow()
                        / config.blockSize();
        for (int i = 0; i < grid.qBlocks(); ++i) {
            int row = i;
            double[] scores = selection.scores[i];
            boolean[] kept = selection.kept[i];
            int[] candidates =
                    IntStream.range(0, grid.kBlocks())
                            .filter(j -> grid.isCandidate(row, j))
                            .toArray();
            if (grid.isDense()) {
                Arrays.stream(candidates).forEach(j -> kept[j] = true);
            } else {
                softmax(logits, i * grid.kBlocks(), candidates, scores);
                keepByScore(candidates, scores, kept);
            }
            for (int j = 0; j < grid.kBlocks(); ++j) {
                boolean isFirst = j == firstBlock && grid.isCandidate(i, j);
                kept[j] |= (config.forceFirstBlock() && isFirst) || grid.isForced(i, j);
            }
        }
        return selection;
    }

    /**
     * Computes attention over the kept blocks; adds (rows, headDim) to o and (rows) to lse for each
     * query block.
     */
    void attend(
            NDArray q,
            NDArray permutedK,
            NDArray permutedV,
            int[] order,
            boolean[][] kept,
            NDList o,
            NDList lse) {
        NDManager manager = q.getManager();
        for (int i = 0; i < grid.qBlocks(); ++i) {
            int begin = i * config.blockSize();
            int end = Math.min(begin + config.blockSize(), grid.seqlenQ());
            int first = grid.seqlenK() - grid.seqlenQ() + begin;
            long[] indices = indicesOf(kept[i]);
            long[] origins = Arrays.stream(indices).map(p -> order[(int) p]).toArray();
            try (NDManager scope = manager.newSubManager()) {
                NDArray qi = q.get(new NDIndex("{}:{}", begin, end));
                qi.attach(scope);
                NDIndex keptKeys = new NDIndex("{}", scope.create(indices));
                NDArray positions = scope.arange(first, first + end - begin, 1, DataType.INT64);
                NDArray keys = scope.create(origins).expandDims(0);
                NDArray visible = positions.expandDims(1).gte(keys);
                if (grid.isWindowed()) {
                    NDArray before = positions.sub(grid.window()).expandDims(1);
                    visible = visible.logicalAnd(keys.gt(before));
                }
                NDArray logits = qi.matMul(permutedK.get(scope, keptKeys).transpose()).mul(scale);
                logits =
                        NDArrays.where(
                                visible, logits, logits.zerosLike().add(Float.NEGATIVE_INFINITY));
                // log-sum-exp = x - logSoftmax(x) at any x; the largest is the most exact. Not by
                // exp(), whose first call in a process may be inexact (pytorch issue 188792).
                NDArray max = logits.max(new int[] {1});
                NDArray logMax = logits.logSoftmax(-1).max(new int[] {1});
                NDArray weights = logits.softmax(-1);
                o.add(leave(manager, weights.matMul(permutedV.get(scope, keptKeys))));
                lse.add(leave(manager, max.sub(logMax)));
            }
        }
    }

    /**
     * The shortest prefix of the falling scores whose sum reaches the threshold; nothing if none
     * does.
     */
    private void keepByScore(int[] candidates, double[] scores, boolean[] kept) {
        if (config.keepsEveryBlock()) {
            Arrays.stream(candidates).forEach(j -> kept[j] = true);
            return;
        }
        int[] falling =
                Arrays.stream(candidates)
                        .boxed()
                        .sorted(Comparator.comparingDouble(j -> -scores[j]))
                        .mapToInt(Integer::intValue)
                        .toArray();
        double sum = 0;
        for (int n = 0; n < falling.length; ++n) {
            sum += scores[falling[n]];
            if (sum >= config.threshold()) {
                Arrays.stream(falling, 0, n + 1).forEach(j -> kept[j] = true);
                return;
            }
        }
    }

    private static void softmax(double[] logits, int offset, int[] candidates, double[] result) {
        double max = Arrays.stream(candidates).mapToDouble(j -> logits[offset + j]).max().orElse(0);
        double sum = 0;
        for (int j : candidates) {
            result[j] = Math.exp(logits[offset + j] - max);
            sum += result[j];
        }
        for (int j : candidates) {
            result[j] /= sum;
        }
    }

    /**
     * Means over blocks of rows (blocks, headDim); a last partial block counts as padded with
     * zeros.
     */
    private NDArray blockMeans(NDArray rows) {
        long n = rows.getShape().get(0);
        long d = rows.getShape().get(1);
        long block = config.blockSize();
        long blocks = (n + block - 1) / block;
        NDArray padding =
                rows.getManager().zeros(new Shape(blocks * block - n, d), rows.getDataType());
        return rows.concat(padding, 0).reshape(blocks, block, d).sum(new int[] {1}).div(block);
    }

    private long[] indicesOf(boolean[] kept) {
        return IntStream.range(0, grid.seqlenK())
                .filter(index -> kept[index / config.blockSize()])
                .asLongStream()
                .toArray();
    }

    private static NDArray leave(NDManager manager, NDArray array) {
        array.attach(manager);
        return array;
    }

    private static NDArray float64(NDArray array) {
        return array.toType(DataType.FLOAT64, false);
    }
}

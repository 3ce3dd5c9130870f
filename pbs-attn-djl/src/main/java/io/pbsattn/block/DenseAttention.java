package io.pbsattn.block;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;

/**
 * Dense causal attention: the path of decoding, and what Permuted Block-Sparse Attention is
 * compared with.
 *
 * <p>A whole prompt and a single row run through PyTorch's fused operator. Other calls, where the
 * queries are the last rows of a longer sequence, are plain array operations on a bounded number of
 * query rows at a time.
 */
public final class DenseAttention {

    /** The largest number of logits of one KV head group that is held at a time. */
    private static final long MAX_LOGITS = 1 << 20;

    private DenseAttention() {}

    /**
     * Computes causal attention; the queries are the last positions of the sequence.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim), float32 or float64
     * @param k keys (batch, numKvHeads, seqlenK, headDim), seqlenK at least seqlenQ
     * @param v values, shaped as the keys
     * @param softmaxScale factor on the query-key products
     * @return the output (batch, numQHeads, seqlenQ, headDim), attached to the manager of q
     * @throws IllegalArgumentException if the shapes do not fit
     */
    public static NDArray forward(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        Shape sq = q.getShape();
        Shape sk = k.getShape();
        boolean fits =
                sq.dimension() == 4
                        && sk.dimension() == 4
                        && sk.equals(v.getShape())
                        && sq.get(0) == sk.get(0)
                        && sq.get(1) % sk.get(1) == 0
                        && sq.get(2) <= sk.get(2)
                        && sq.get(3) == sk.get(3);
        if (!fits) {
            throw new IllegalArgumentException(
                    "expected q (batch, numQHeads, seqlenQ, headDim) and k, v (batch, numKvHeads,"
                            + " seqlenK, headDim) with seqlenQ <= seqlenK; found q "
                            + sq
                            + ", k "
                            + sk
                            + ", v "
                            + v.getShape());
        }
        if (sq.get(2) == sk.get(2) && sq.get(2) > 1) {
            return fused(q, k, v, softmaxScale);
        }
        return sq.get(2) == 1 ? single(q, k, v, softmaxScale) : suffix(q, k, v, softmaxScale);
    }

    /**
     * PyTorch's fast kernel on the CPU wants as many key heads as query heads, so they are
     * repeated, as transformers does.
     */
    private static NDArray fused(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        long groupSize = q.getShape().get(1) / k.getShape().get(1);
        try (NDManager scope = q.getManager().newSubManager()) {
            NDArray keys = groupSize > 1 ? attach(scope, k.repeat(1, groupSize)) : k;
            NDArray values = groupSize > 1 ? attach(scope, v.repeat(1, groupSize)) : v;
            return torchAttention(q, keys, values, true, softmaxScale);
        }
    }

    /**
     * One query sees every key, so the query heads of a group can be the rows of one head: keys and
     * values are read once, where they are.
     */
    private static NDArray single(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        Shape shape = q.getShape();
        try (NDArray grouped = q.reshape(shape.get(0), k.getShape().get(1), -1, shape.get(3));
                NDArray o = torchAttention(grouped, k, v, false, softmaxScale)) {
            return o.reshape(shape);
        }
    }

    /** PyTorch's operator, which scales by 1 / sqrt(headDim): another scale goes into q. */
    private static NDArray torchAttention(
            NDArray q, NDArray k, NDArray v, boolean isCausal, double softmaxScale) {
        double factor = softmaxScale * Math.sqrt((double) q.getShape().get(3));
        NDManager manager = q.getManager();
        try (NDManager scope = manager.newSubManager()) {
            NDArray scaled = Math.abs(factor - 1) > 1e-12 ? attach(scope, q.mul(factor)) : q;
            Object noMask = null;
            Object defaultScale = null;
            return LibTorch.get()
                    .call(
                            manager,
                            "aten::scaled_dot_product_attention",
                            "",
                            1,
                            scaled,
                            k,
                            v,
                            noMask,
                            0.0,
                            isCausal,
                            defaultScale,
                            false)[0];
        }
    }

    private static NDArray attach(NDManager manager, NDArray array) {
        array.attach(manager);
        return array;
    }

    private static NDArray suffix(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        long queries = q.getShape().get(2);
        long keys = k.getShape().get(2);
        long groupSize = q.getShape().get(1) / k.getShape().get(1);
        long step = Math.max(1, MAX_LOGITS / (groupSize * keys));
        NDManager manager = q.getManager();
        try (NDManager scope = manager.newSubManager()) {
            NDList rows = new NDList();
            for (long begin = 0; begin < queries; begin += step) {
                long end = Math.min(begin + step, queries);
                NDArray qi = q.get(scope, new NDIndex(":, :, {}:{}", begin, end));
                rows.add(rows(qi, k, v, keys - queries + begin, softmaxScale));
            }
            NDArray o = rows.size() == 1 ? rows.get(0) : NDArrays.concat(rows, 2);
            o.attach(manager);
            return o;
        }
    }

    /** Some query rows from a position on, against the keys that the last of them sees. */
    private static NDArray rows(
            NDArray q, NDArray k, NDArray v, long position, double softmaxScale) {
        NDManager scope = q.getManager();
        Shape shape = q.getShape();
        long batch = shape.get(0);
        long kvHeads = k.getShape().get(1);
        long count = shape.get(2);
        long headDim = shape.get(3);
        long visible = position + count;
        NDIndex seen = new NDIndex(":, :, :{}", visible);
        // The query heads of a group lie under each other, so that K and V are read once and never
        // repeated.
        NDArray grouped = q.reshape(batch, kvHeads, -1, headDim);
        NDArray logits = grouped.mul(softmaxScale).matMul(k.get(scope, seen).swapAxes(2, 3));
        if (count > 1) {
            NDArray positions = scope.arange((int) position, (int) visible, 1, DataType.INT64);
            NDArray keys = scope.arange(0, (int) visible, 1, DataType.INT64);
            NDArray future = keys.expandDims(0).gt(positions.expandDims(1));
            NDArray masked = logits.reshape(batch, -1, count, visible);
            NDArray minusInfinity = masked.zerosLike().add(Float.NEGATIVE_INFINITY);
            logits =
                    NDArrays.where(future.broadcast(masked.getShape()), minusInfinity, masked)
                            .reshape(logits.getShape());
        }
        return logits.softmax(-1).matMul(v.get(scope, seen)).reshape(shape);
    }
}

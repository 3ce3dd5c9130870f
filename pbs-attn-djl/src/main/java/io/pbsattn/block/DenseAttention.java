package io.pbsattn.block;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Optional;

/**
 * Dense causal attention: the path of decoding, and what Permuted Block-Sparse Attention is
 * compared with.
 *
 * <p>A whole prompt and a single row run through PyTorch's fused operator. Other calls, where the
 * queries are the last rows of a longer sequence or see a window of it, are plain array operations
 * on a bounded number of query rows at a time.
 */
public final class DenseAttention {

    /** The largest number of logits of one KV head group that is held at a time. */
    private static final long MAX_LOGITS = 1 << 20;

    private DenseAttention() {}

    /**
     * Computes causal attention; the queries are the last positions of the sequence.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim), floating point
     * @param k keys (batch, numKvHeads, seqlenK, headDim), seqlenK at least seqlenQ
     * @param v values, shaped as the keys
     * @param softmaxScale factor on the query-key products
     * @return the output (batch, numQHeads, seqlenQ, headDim), attached to the manager of q
     * @throws IllegalArgumentException if the shapes do not fit
     */
    public static NDArray forward(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        return forward(q, k, v, softmaxScale, 0);
    }

    /**
     * Computes causal attention in which a query sees a window of keys: at position i the keys j
     * with {@code i - window < j <= i}. Keys that no query sees are not read.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim), floating point
     * @param k keys (batch, numKvHeads, seqlenK, headDim), seqlenK at least seqlenQ
     * @param v values, shaped as the keys
     * @param softmaxScale factor on the query-key products
     * @param window keys that a query sees; 0 for all up to its own
     * @return the output (batch, numQHeads, seqlenQ, headDim), attached to the manager of q
     * @throws IllegalArgumentException if the shapes do not fit or the window is negative
     */
    public static NDArray forward(
            NDArray q, NDArray k, NDArray v, double softmaxScale, int window) {
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
        if (window < 0) {
            throw new IllegalArgumentException("window: expected at least 0, found " + window);
        }
        long seen = window == 0 ? sk.get(2) : Math.min(window, sk.get(2));
        if (sq.get(2) == 1) {
            return single(q, k, v, softmaxScale, seen);
        }
        return sq.get(2) == sk.get(2) && seen == sk.get(2)
                ? fused(q, k, v, softmaxScale)
                : inSteps(q, k, v, softmaxScale, seen);
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
     * One query sees each of the last keys, so the query heads of a group can be the rows of one
     * head: keys and values are read once, where they are.
     */
    private static NDArray single(NDArray q, NDArray k, NDArray v, double softmaxScale, long seen) {
        Shape shape = q.getShape();
        NDIndex last = new NDIndex(":, :, {}:", k.getShape().get(2) - seen);
        try (NDManager scope = q.getManager().newSubManager();
                NDArray grouped = q.reshape(shape.get(0), k.getShape().get(1), -1, shape.get(3));
                NDArray o =
                        torchAttention(
                                grouped,
                                k.get(scope, last),
                                v.get(scope, last),
                                false,
                                softmaxScale)) {
            return o.reshape(shape);
        }
    }

    private static NDArray torchAttention(
            NDArray q, NDArray k, NDArray v, boolean isCausal, double softmaxScale) {
        Object noMask = null;
        return LibTorch.get()
                .call(
                        q.getManager(),
                        "aten::scaled_dot_product_attention",
                        "",
                        1,
                        q,
                        k,
                        v,
                        noMask,
                        0.0,
                        isCausal,
                        Optional.of(softmaxScale),
                        false)[0];
    }

    private static NDArray attach(NDManager manager, NDArray array) {
        array.attach(manager);
        return array;
    }

    private static NDArray inSteps(
            NDArray q, NDArray k, NDArray v, double softmaxScale, long seen) {
        long queries = q.getShape().get(2);
        long keys = k.getShape().get(2);
        long groupSize = q.getShape().get(1) / k.getShape().get(1);
        // As many rows as a window has see less than two windows of keys.
        long width = Math.min(keys, 2 * seen);
        long step = Math.min(seen, Math.max(1, MAX_LOGITS / (groupSize * width)));
        NDManager manager = q.getManager();
        try (NDManager scope = manager.newSubManager()) {
            NDList rows = new NDList();
            for (long begin = 0; begin < queries; begin += step) {
                long end = Math.min(begin + step, queries);
                NDIndex some = new NDIndex(":, :, {}:{}", begin, end);
                NDArray qi = computable(scope, q.get(scope, some));
                rows.add(rows(qi, k, v, keys - queries + begin, softmaxScale, seen));
            }
            NDArray o = rows.size() == 1 ? rows.get(0) : NDArrays.concat(rows, 2);
            TorchType type = TorchType.of(q);
            if (TorchType.of(o) != type) {
                o = LibTorch.get().toType(scope, o, type);
            }
            o.attach(manager);
            return o;
        }
    }

    /** Some query rows from a position on, against the keys that they see. */
    private static NDArray rows(
            NDArray q, NDArray k, NDArray v, long position, double softmaxScale, long seen) {
        NDManager scope = q.getManager();
        Shape shape = q.getShape();
        long batch = shape.get(0);
        long kvHeads = k.getShape().get(1);
        long count = shape.get(2);
        long headDim = shape.get(3);
        long first = Math.max(0, position + 1 - seen);
        long end = position + count;
        NDIndex band = new NDIndex(":, :, {}:{}", first, end);
        // The query heads of a group lie under each other, so that K and V are read once and never
        // repeated.
        NDArray grouped = q.reshape(batch, kvHeads, -1, headDim);
        NDArray seenKeys = computable(scope, k.get(scope, band));
        NDArray logits = grouped.mul(softmaxScale).matMul(seenKeys.swapAxes(2, 3));
        if (count > 1) {
            NDArray positions =
                    scope.arange((int) position, (int) end, 1, DataType.INT64).expandDims(1);
            NDArray keys = scope.arange((int) first, (int) end, 1, DataType.INT64).expandDims(0);
            NDArray hidden = keys.gt(positions).logicalOr(keys.lte(positions.sub(seen)));
            NDArray masked = logits.reshape(batch, -1, count, end - first);
            NDArray minusInfinity = masked.zerosLike().add(Float.NEGATIVE_INFINITY);
            logits =
                    NDArrays.where(hidden.broadcast(masked.getShape()), minusInfinity, masked)
                            .reshape(logits.getShape());
        }
        NDArray seenValues = computable(scope, v.get(scope, band));
        return logits.softmax(-1).matMul(seenValues).reshape(shape);
    }

    /** DJL has no masks in bfloat16, and PyTorch no fast products in float16 on the CPU. */
    private static NDArray computable(NDManager scope, NDArray array) {
        TorchType type = TorchType.of(array);
        return type == TorchType.BFLOAT16 || type == TorchType.FLOAT16
                ? LibTorch.get().toType(scope, array, TorchType.FLOAT32)
                : array;
    }
}

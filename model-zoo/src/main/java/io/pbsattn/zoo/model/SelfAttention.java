package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.layer.Linear;
import io.pbsattn.torch.LibTorch;
import java.util.List;

/**
 * The projections around attention; attention itself runs over the whole prompt, between {@link
 * #project} and the output layer.
 *
 * @param q (hidden to numQHeads * headDim)
 * @param k (hidden to numKvHeads * headDim)
 * @param v (hidden to numKvHeads * headDim)
 * @param o (numQHeads * headDim to hidden)
 * @param qNorm norm of each head's queries (headDim); null for none
 * @param kNorm norm of each head's keys (headDim); null for none
 * @param headDim width of a head
 */
record SelfAttention(
        Linear q, Linear k, Linear v, Linear o, RmsNorm qNorm, RmsNorm kNorm, int headDim) {

    /**
     * Computes queries, keys and values of some rows, queries and keys normalised where the model
     * does so and rotated to their positions.
     *
     * @param buffers holds the rows (rows, hidden) that are projected
     * @param rope the rotation of these rows
     * @param queries (rows, numQHeads * headDim), overwritten
     * @param keys (numKvHeads, rows, headDim), overwritten
     * @param values shaped as the keys, overwritten
     */
    void project(
            LayerOps ops,
            LayerBuffers buffers,
            RotaryEmbedding rope,
            NDArray queries,
            NDArray keys,
            NDArray values) {
        boolean isNormalised = qNorm != null;
        ops.linear(
                buffers.rows(),
                List.of(q, k, v),
                isNormalised
                        ? List.of(buffers.rawQueries(), buffers.rawKeys(), buffers.values())
                        : List.of(queries, buffers.keys(), buffers.values()));
        NDManager manager = queries.getManager();
        if (isNormalised) {
            qNorm.apply(ops, headRows(manager, buffers.rawQueries()), headRows(manager, queries));
            kNorm.apply(
                    ops, headRows(manager, buffers.rawKeys()), headRows(manager, buffers.keys()));
        }
        NDArray heads = heads(manager, queries);
        rope.rotate(ops, heads, heads);
        rope.rotate(ops, heads(manager, buffers.keys()), keys);
        LibTorch.get().copy(heads(manager, buffers.values()), values);
    }

    /** A view (rows * heads, headDim) of (rows, heads * headDim). */
    private NDArray headRows(NDManager manager, NDArray rows) {
        NDArray headRows = rows.reshape(-1, headDim);
        headRows.attach(manager);
        return headRows;
    }

    /** A view (heads, rows, headDim) of (rows, heads * headDim). */
    private NDArray heads(NDManager manager, NDArray rows) {
        NDArray split = rows.reshape(rows.getShape().get(0), -1, headDim);
        NDArray heads = split.swapAxes(0, 1);
        split.close();
        heads.attach(manager);
        return heads;
    }
}

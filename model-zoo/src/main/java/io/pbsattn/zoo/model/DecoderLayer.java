package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import io.pbsattn.layer.LayerOps;

/**
 * One layer of the decoder: attention and feed-forward network, each behind a norm and added to the
 * residual stream.
 *
 * @param attentionNorm norm before attention
 * @param attention the attention's projections
 * @param mlpNorm norm before the feed-forward network
 * @param mlp the feed-forward network
 */
record DecoderLayer(RmsNorm attentionNorm, SelfAttention attention, RmsNorm mlpNorm, Mlp mlp) {

    /**
     * What comes before attention: queries, keys and values of some rows.
     *
     * @param buffers for that many rows, overwritten
     * @param rotation of these rows
     * @param residual (rows, hidden) float32
     * @param queries (rows, numQHeads * headDim), overwritten
     * @param keys (numKvHeads, rows, headDim), overwritten
     * @param values shaped as the keys, overwritten
     */
    void project(
            LayerOps ops,
            LayerBuffers buffers,
            RotaryEmbedding rotation,
            NDArray residual,
            NDArray queries,
            NDArray keys,
            NDArray values) {
        attentionNorm.apply(ops, residual, buffers.rows());
        attention.project(ops, buffers, rotation, queries, keys, values);
    }

    /**
     * What comes after attention.
     *
     * @param buffers for that many rows, overwritten
     * @param attended (rows, numQHeads * headDim), what attention has made of the queries
     * @param residual (rows, hidden) float32, added to
     */
    void finish(LayerOps ops, LayerBuffers buffers, NDArray attended, NDArray residual) {
        ops.addLinear(attended, attention.o(), residual);
        mlpNorm.apply(ops, residual, buffers.rows());
        mlp.addTo(ops, buffers.rows(), buffers.wide(), residual);
    }
}

package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;

/**
 * What a chunk of rows passes through in a layer; made once for a prefill, since fresh memory costs
 * as much as a tenth of the work that is done in it.
 *
 * @param rows (chunk, hidden): normalised rows
 * @param keys (chunk, numKvHeads * headDim)
 * @param values (chunk, numKvHeads * headDim)
 * @param wide (chunk, intermediate)
 * @param rawQueries (chunk, numQHeads * headDim) float32: queries before their norm; null where
 *     there is none
 * @param rawKeys (chunk, numKvHeads * headDim) float32: keys before their norm; null where there is
 *     none
 */
record LayerBuffers(
        NDArray rows,
        NDArray keys,
        NDArray values,
        NDArray wide,
        NDArray rawQueries,
        NDArray rawKeys) {

    static LayerBuffers create(NDManager manager, DecoderConfig config, LayerOps ops, int chunk) {
        int qWidth = config.qWidth();
        int kvWidth = config.numKvHeads() * config.headDim();
        boolean hasNorm = config.projections().qkNorm();
        return new LayerBuffers(
                ops.empty(manager, chunk, config.hiddenSize()),
                empty(manager, chunk, kvWidth, ops.type()),
                empty(manager, chunk, kvWidth, ops.type()),
                ops.empty(manager, chunk, config.intermediateSize()),
                hasNorm ? empty(manager, chunk, qWidth, TorchType.FLOAT32) : null,
                hasNorm ? empty(manager, chunk, kvWidth, TorchType.FLOAT32) : null);
    }

    private static NDArray empty(NDManager manager, int rows, int width, TorchType type) {
        return LibTorch.get().empty(manager, new Shape(rows, width), type);
    }

    /** The first rows of each array, views that a manager owns. */
    LayerBuffers first(NDManager manager, int count) {
        NDIndex range = new NDIndex(":{}", count);
        return new LayerBuffers(
                rows.get(manager, range),
                keys.get(manager, range),
                values.get(manager, range),
                wide.get(manager, range),
                rawQueries == null ? null : rawQueries.get(manager, range),
                rawKeys == null ? null : rawKeys.get(manager, range));
    }
}

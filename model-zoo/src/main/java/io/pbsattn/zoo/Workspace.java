package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
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
 */
record Workspace(NDArray rows, NDArray keys, NDArray values, NDArray wide) {

    static Workspace create(NDManager manager, DecoderConfig config, TorchType type, int chunk) {
        int kvWidth = config.numKvHeads() * config.headDim();
        return new Workspace(
                LibTorch.get().empty(manager, new Shape(chunk, config.hiddenSize()), type),
                LibTorch.get().empty(manager, new Shape(chunk, kvWidth), type),
                LibTorch.get().empty(manager, new Shape(chunk, kvWidth), type),
                LibTorch.get().empty(manager, new Shape(chunk, config.intermediateSize()), type));
    }

    /** The first rows of each array, views that a manager owns. */
    Workspace first(NDManager manager, int count) {
        NDIndex range = new NDIndex(":{}", count);
        return new Workspace(
                rows.get(manager, range),
                keys.get(manager, range),
                values.get(manager, range),
                wide.get(manager, range));
    }
}

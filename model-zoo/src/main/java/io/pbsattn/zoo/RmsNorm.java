package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.layer.LayerOps;

/**
 * Root-mean-square normalisation.
 *
 * @param weight (hidden) float32
 * @param eps added to the mean square before the root is taken
 */
record RmsNorm(NDArray weight, double eps) {

    /** Normalises the rows of the residual stream (rows, hidden). */
    NDArray apply(LayerOps ops, NDManager manager, NDArray residual) {
        return ops.normalize(manager, residual, weight, eps);
    }
}

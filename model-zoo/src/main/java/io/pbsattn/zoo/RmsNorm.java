package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import io.pbsattn.layer.LayerOps;

/**
 * Root-mean-square normalisation.
 *
 * @param weight (hidden) float32
 * @param eps added to the mean square before the root is taken
 */
record RmsNorm(NDArray weight, double eps) {

    /** Normalises the rows of the residual stream (rows, hidden) into y, shaped alike. */
    void apply(LayerOps ops, NDArray residual, NDArray y) {
        ops.normalize(residual, weight, eps, y);
    }
}

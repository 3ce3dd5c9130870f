package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import io.pbsattn.layer.LayerOps;

/**
 * Root-mean-square normalisation.
 *
 * @param weight (width) float32
 * @param eps added to the mean square before the root is taken
 */
record RmsNorm(NDArray weight, double eps) {

    /** Normalises rows (rows, width) in float32, as the residual stream has them, into y. */
    void apply(LayerOps ops, NDArray x, NDArray y) {
        ops.normalize(x, weight, eps, y);
    }
}

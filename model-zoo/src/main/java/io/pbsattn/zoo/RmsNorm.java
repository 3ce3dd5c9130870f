package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;

/**
 * Root-mean-square normalisation.
 *
 * @param weight (hidden)
 * @param eps added to the mean square before the root is taken
 */
record RmsNorm(NDArray weight, double eps) {

    /** Normalises the last dimension of x (..., hidden). */
    NDArray apply(NDArray x) {
        NDArray meanSquare = x.square().mean(new int[] {-1}, true);
        return x.div(meanSquare.addi(eps).sqrt()).muli(weight);
    }
}

package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;

/**
 * A linear layer.
 *
 * @param transposed the weight (in, out)
 * @param bias (out), or null
 */
record Linear(NDArray transposed, NDArray bias) {

    /** Maps (..., in) to (..., out). */
    NDArray apply(NDArray x) {
        NDArray y = x.matMul(transposed);
        return bias == null ? y : y.addi(bias);
    }
}

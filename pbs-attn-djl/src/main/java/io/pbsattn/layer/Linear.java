package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;

/**
 * A linear layer: y = x weight^T + bias.
 *
 * @param weight (out, in), as checkpoints store it
 * @param bias (out), or null
 */
public record Linear(NDArray weight, NDArray bias) {

    /**
     * Returns the width of what goes in.
     *
     * @return columns of x
     */
    public long in() {
        return weight.getShape().get(1);
    }

    /**
     * Returns the width of what comes out.
     *
     * @return columns of y
     */
    public long out() {
        return weight.getShape().get(0);
    }
}

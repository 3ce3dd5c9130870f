package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;

/**
 * The projections around attention; attention itself runs over the whole prompt, between {@link
 * #queries} and {@link #output}.
 *
 * @param q (hidden to numQHeads * headDim)
 * @param k (hidden to numKvHeads * headDim)
 * @param v (hidden to numKvHeads * headDim)
 * @param o (numQHeads * headDim to hidden)
 * @param headDim width of a head
 */
record SelfAttention(Linear q, Linear k, Linear v, Linear o, int headDim) {

    /**
     * Queries (batch, numQHeads, rows, headDim) of x (batch, rows, hidden), turned to their
     * positions.
     */
    NDArray queries(NDArray x, RotaryEmbedding rope, int begin) {
        return rope.apply(heads(q.apply(x)), begin);
    }

    /** Keys (batch, numKvHeads, rows, headDim) of x, turned to their positions. */
    NDArray keys(NDArray x, RotaryEmbedding rope, int begin) {
        return rope.apply(heads(k.apply(x)), begin);
    }

    /** Values (batch, numKvHeads, rows, headDim) of x. */
    NDArray values(NDArray x) {
        return heads(v.apply(x));
    }

    /** Attention output (batch, numQHeads, rows, headDim) back to (batch, rows, hidden). */
    NDArray output(NDArray attended) {
        Shape shape = attended.getShape();
        return o.apply(attended.swapAxes(1, 2).reshape(shape.get(0), shape.get(2), -1));
    }

    private NDArray heads(NDArray x) {
        Shape shape = x.getShape();
        return x.reshape(shape.get(0), shape.get(1), -1, headDim).swapAxes(1, 2);
    }
}

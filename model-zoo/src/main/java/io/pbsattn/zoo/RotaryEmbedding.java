package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;

/** The turns of a range of positions: cosines and sines (positions, headDim / 2), float32. */
final class RotaryEmbedding {

    private final NDArray cos;
    private final NDArray sin;

    private RotaryEmbedding(NDArray cos, NDArray sin) {
        this.cos = cos;
        this.sin = sin;
    }

    /**
     * Computes the turns of the positions {@code begin .. end-1}.
     *
     * @param manager will own the tables
     */
    static RotaryEmbedding of(NDManager manager, float[] inverseFrequencies, int begin, int end) {
        int half = inverseFrequencies.length;
        float[] cos = new float[(end - begin) * half];
        float[] sin = new float[cos.length];
        for (int position = begin; position < end; ++position) {
            for (int i = 0; i < half; ++i) {
                // Rounded to float32, as transformers does: at far positions the rounding counts.
                float angle = position * inverseFrequencies[i];
                int at = (position - begin) * half + i;
                cos[at] = (float) Math.cos(angle);
                sin[at] = (float) Math.sin(angle);
            }
        }
        Shape shape = new Shape(end - begin, half);
        return new RotaryEmbedding(manager.create(cos, shape), manager.create(sin, shape));
    }

    /**
     * Turns the rows of a range; element i of a head is paired with element i + headDim / 2.
     *
     * @param x (batch, heads, rows, headDim), the rows {@code begin .. begin + rows - 1} of these
     *     positions
     */
    NDArray apply(NDArray x, int begin) {
        long rows = x.getShape().get(2);
        long half = x.getShape().get(3) / 2;
        NDIndex range = new NDIndex("{}:{}", begin, begin + rows);
        NDArray c = cos.get(x.getManager(), range);
        NDArray s = sin.get(x.getManager(), range);
        NDArray first = x.get(new NDIndex("..., :{}", half));
        NDArray second = x.get(new NDIndex("..., {}:", half));
        NDArray turnedFirst = first.mul(c).sub(second.mul(s));
        NDArray turnedSecond = second.mul(c).add(first.mul(s));
        return turnedFirst.concat(turnedSecond, -1);
    }
}

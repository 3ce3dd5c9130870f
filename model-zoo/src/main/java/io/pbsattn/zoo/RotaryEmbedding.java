package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;

/**
 * The turns of a range of positions.
 *
 * @param cosines (positions, headDim / 2) float32
 * @param sines (positions, headDim / 2) float32
 */
record RotaryEmbedding(NDArray cosines, NDArray sines) {

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

    /** The turns of some rows of the range, views that a manager owns. */
    RotaryEmbedding rows(NDManager manager, int begin, int end) {
        NDIndex range = new NDIndex("{}:{}", begin, end);
        return new RotaryEmbedding(cosines.get(manager, range), sines.get(manager, range));
    }
}

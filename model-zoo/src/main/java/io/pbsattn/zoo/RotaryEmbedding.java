package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.torch.LibTorch;

/**
 * The turns of a range of positions, of the first elements of each head or of all.
 *
 * @param cosines (positions, pairs) float32
 * @param sines (positions, pairs) float32
 */
record RotaryEmbedding(NDArray cosines, NDArray sines) {

    /**
     * Computes the turns of the positions {@code begin .. end-1}.
     *
     * @param manager will own the tables
     * @param rope the frequencies
     * @param tokens length of the sequence, which the frequencies may depend on
     */
    static RotaryEmbedding of(NDManager manager, RopeConfig rope, int tokens, int begin, int end) {
        float[] inverseFrequencies = rope.inverseFrequencies(tokens);
        float scale = (float) rope.attentionFactor();
        int half = inverseFrequencies.length;
        float[] cos = new float[(end - begin) * half];
        float[] sin = new float[cos.length];
        for (int position = begin; position < end; ++position) {
            for (int i = 0; i < half; ++i) {
                // Rounded to float32, as transformers does: at far positions the rounding counts.
                float angle = position * inverseFrequencies[i];
                int at = (position - begin) * half + i;
                cos[at] = (float) Math.cos(angle) * scale;
                sin[at] = (float) Math.sin(angle) * scale;
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

    /**
     * Turns rows by their positions; elements that are in no pair stay as they are.
     *
     * @param x (heads, positions, headDim)
     * @param y shaped as x, overwritten; may be x itself
     */
    void turn(LayerOps ops, NDArray x, NDArray y) {
        long turned = 2 * cosines.getShape().get(1);
        if (turned == x.getShape().get(2)) {
            ops.rotate(x, cosines, sines, y);
            return;
        }
        NDManager manager = x.getManager();
        NDIndex first = new NDIndex(":, :, :{}", turned);
        NDIndex rest = new NDIndex(":, :, {}:", turned);
        ops.rotate(x.get(manager, first), cosines, sines, y.get(manager, first));
        if (x != y) {
            LibTorch.get().copy(x.get(manager, rest), y.get(manager, rest));
        }
    }
}

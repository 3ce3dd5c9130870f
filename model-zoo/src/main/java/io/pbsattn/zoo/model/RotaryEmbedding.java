package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.torch.LibTorch;

/**
 * The rotation of a range of positions, of the first elements of each head or of all.
 *
 * @param cosines (positions, pairs) float32
 * @param sines (positions, pairs) float32
 */
record RotaryEmbedding(NDArray cosines, NDArray sines) {

    /**
     * Computes the rotation of the positions {@code begin .. end-1}.
     *
     * @param manager will own the tables
     * @param rope the frequencies
     * @param tokens length of the sequence, which the frequencies may depend on
     */
    static RotaryEmbedding of(NDManager manager, RopeConfig rope, int tokens, int begin, int end) {
        float[] frequencies = rope.inverseFrequencies(tokens);
        Tables tables = new Tables(end - begin, frequencies.length, rope.attentionFactor());
        for (int position = begin; position < end; ++position) {
            tables.add(position, frequencies);
        }
        return tables.create(manager);
    }

    /**
     * Computes the rotation of positions of different sequences, each the last of its own.
     *
     * @param manager will own the tables
     * @param rope the frequencies
     * @param positions of one row each
     */
    static RotaryEmbedding ofLast(NDManager manager, RopeConfig rope, int... positions) {
        int pairs = rope.inverseFrequencies(1).length;
        Tables tables = new Tables(positions.length, pairs, rope.attentionFactor());
        for (int position : positions) {
            tables.add(position, rope.inverseFrequencies(position + 1));
        }
        return tables.create(manager);
    }

    /** The rotation of some rows of the range, views that a manager owns. */
    RotaryEmbedding rows(NDManager manager, int begin, int end) {
        NDIndex range = new NDIndex("{}:{}", begin, end);
        return new RotaryEmbedding(cosines.get(manager, range), sines.get(manager, range));
    }

    /**
     * Rotates rows by their positions; elements that are in no pair stay as they are.
     *
     * @param x (heads, positions, headDim)
     * @param y shaped as x, overwritten; may be x itself
     */
    void rotate(LayerOps ops, NDArray x, NDArray y) {
        long rotated = 2 * cosines.getShape().get(1);
        if (rotated == x.getShape().get(2)) {
            ops.rotate(x, cosines, sines, y);
            return;
        }
        NDManager manager = x.getManager();
        NDIndex first = new NDIndex(":, :, :{}", rotated);
        NDIndex rest = new NDIndex(":, :, {}:", rotated);
        ops.rotate(x.get(manager, first), cosines, sines, y.get(manager, first));
        if (x != y) {
            LibTorch.get().copy(x.get(manager, rest), y.get(manager, rest));
        }
    }

    /** The tables as they are filled, row by row. */
    private static final class Tables {

        private final int pairs;
        private final float scale;
        private final float[] cos;
        private final float[] sin;
        private int size;

        Tables(int rows, int pairs, double scale) {
            this.pairs = pairs;
            this.scale = (float) scale;
            cos = new float[rows * pairs];
            sin = new float[cos.length];
        }

        void add(int position, float[] frequencies) {
            for (float frequency : frequencies) {
                // Rounded to float32, as transformers does: at far positions the rounding counts.
                float angle = position * frequency;
                cos[size] = (float) Math.cos(angle) * scale;
                sin[size++] = (float) Math.sin(angle) * scale;
            }
        }

        RotaryEmbedding create(NDManager manager) {
            Shape shape = new Shape(cos.length / pairs, pairs);
            return new RotaryEmbedding(manager.create(cos, shape), manager.create(sin, shape));
        }
    }
}

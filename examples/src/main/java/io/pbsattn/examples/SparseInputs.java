package io.pbsattn.examples;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Random;

/**
 * Random queries, keys and values whose attention is sparse as in trained models: a few keys,
 * strewn over the sequence, draw most of the mass of every query.
 *
 * <p>Queries are normal noise plus {@value #PULL} times a direction u of the KV head; keys are
 * normal noise, and one in {@value #KEYS_PER_IMPORTANT} has {@value #PULL} times u added. The
 * density that results is measured, never assumed.
 */
final class SparseInputs {

    private static final float PULL = 1.5f;
    private static final int KEYS_PER_IMPORTANT = 64;

    private final NDArray q;
    private final NDArray k;
    private final NDArray v;

    SparseInputs(
            NDManager manager,
            int qHeads,
            int kvHeads,
            int seqlen,
            int headDim,
            TorchType type,
            long seed) {
        Random random = new Random(seed);
        float[] directions = normal(random, kvHeads * headDim);
        float[] queries = normal(random, qHeads * seqlen * headDim);
        float[] keys = normal(random, kvHeads * seqlen * headDim);
        for (int h = 0; h < qHeads; ++h) {
            int u = h / (qHeads / kvHeads) * headDim;
            for (int i = 0; i < seqlen; ++i) {
                addDirection(queries, (h * seqlen + i) * headDim, directions, u, headDim);
            }
        }
        for (int h = 0; h < kvHeads; ++h) {
            for (int j = 0; j < seqlen; ++j) {
                if (random.nextInt(KEYS_PER_IMPORTANT) == 0) {
                    addDirection(
                            keys, (h * seqlen + j) * headDim, directions, h * headDim, headDim);
                }
            }
        }
        float[] values = normal(random, kvHeads * seqlen * headDim);
        q = array(manager, queries, new Shape(1, qHeads, seqlen, headDim), type);
        k = array(manager, keys, new Shape(1, kvHeads, seqlen, headDim), type);
        v = array(manager, values, new Shape(1, kvHeads, seqlen, headDim), type);
    }

    NDArray q() {
        return q;
    }

    NDArray k() {
        return k;
    }

    NDArray v() {
        return v;
    }

    private static void addDirection(float[] rows, int at, float[] directions, int u, int headDim) {
        for (int d = 0; d < headDim; ++d) {
            rows[at + d] += PULL * directions[u + d];
        }
    }

    private static float[] normal(Random random, int size) {
        float[] values = new float[size];
        for (int i = 0; i < size; ++i) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static NDArray array(NDManager manager, float[] values, Shape shape, TorchType type) {
        try (NDArray float32 = manager.create(values, shape)) {
            return LibTorch.get().toType(manager, float32, type);
        }
    }
}

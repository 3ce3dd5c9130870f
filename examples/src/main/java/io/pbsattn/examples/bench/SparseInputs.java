package io.pbsattn.examples.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Random;
import java.util.function.ToDoubleFunction;

/**
 * Random queries, keys and values whose attention is sparse as in trained models: a few keys,
 * strewn over the sequence, draw most of the mass of every query.
 *
 * <p>All are normal noise. Besides, each KV head has a direction u: every query has pull * u added,
 * and one in {@value #KEYS_PER_IMPORTANT} keys, at random, pull * w * u, where w is the same in a
 * segment and uniform from 0 to 2 over the segments. The stronger the pull, the fewer blocks hold
 * the mass. The pull is found by bisection so that the operator's density, which is measured, is
 * the one that is asked for.
 */
public final class SparseInputs {

    private static final int KEYS_PER_IMPORTANT = 8;
    private static final double STRONGEST_PULL = 4;
    private static final int STEPS = 16;
    private static final double CLOSE_ENOUGH = 0.002;

    /** The densities that the paper reports for Llama-3.1-8B, from {@value #PAPER_FIRST} tokens. */
    private static final double[] PAPER_DENSITIES = {0.579, 0.485, 0.405, 0.287, 0.219};

    private static final int PAPER_FIRST = 8192;

    private final NDManager manager;
    private final TorchType type;
    private final NDArray queryNoise;
    private final NDArray keyNoise;
    private final NDArray queryDirections;
    private final NDArray keyDirections;
    private final NDArray v;
    private NDArray q;
    private NDArray k;

    public SparseInputs(
            NDManager manager,
            int qHeads,
            int kvHeads,
            int seqlen,
            int headDim,
            TorchType type,
            long seed) {
        this.manager = manager;
        this.type = type;
        manager.getEngine().setRandomSeed(Math.toIntExact(seed));
        queryNoise = manager.randomNormal(new Shape(1, qHeads, seqlen, headDim));
        keyNoise = manager.randomNormal(new Shape(1, kvHeads, seqlen, headDim));
        NDArray directions = manager.randomNormal(new Shape(1, kvHeads, 1, headDim));
        queryDirections = directions.repeat(1, qHeads / kvHeads);
        keyDirections = directions.mul(weights(new Random(seed), kvHeads, seqlen));
        try (NDArray values = manager.randomNormal(keyNoise.getShape())) {
            v = LibTorch.get().toType(manager, values, type);
        }
        pull(0);
    }

    /** Chooses the pull at which `density` of these inputs is as near to the target as it gets. */
    public void tune(double target, ToDoubleFunction<SparseInputs> density) {
        double low = 0;
        double high = STRONGEST_PULL;
        for (int i = 0; i < STEPS; ++i) {
            double middle = (low + high) / 2;
            pull(middle);
            double found = density.applyAsDouble(this);
            if (Math.abs(found - target) <= CLOSE_ENOUGH) {
                return;
            }
            if (found > target) {
                low = middle;
            } else {
                high = middle;
            }
        }
    }

    /**
     * Returns the density that the paper reports for a length, between and beyond its lengths
     * straight on over the logarithm of the length.
     */
    public static double paperDensity(int seqlen) {
        double index = Math.log((double) seqlen / PAPER_FIRST) / Math.log(2);
        int before = (int) Math.max(0, Math.min(PAPER_DENSITIES.length - 2, Math.floor(index)));
        double from = PAPER_DENSITIES[before];
        double to = PAPER_DENSITIES[before + 1];
        return Math.max(0.05, Math.min(1, from + (index - before) * (to - from)));
    }

    public NDArray q() {
        return q;
    }

    public NDArray k() {
        return k;
    }

    public NDArray v() {
        return v;
    }

    private void pull(double pull) {
        if (q != null) {
            q.close();
            k.close();
        }
        q = sum(queryNoise, queryDirections, pull);
        k = sum(keyNoise, keyDirections, pull);
    }

    private NDArray sum(NDArray noise, NDArray directions, double pull) {
        try (NDArray added = directions.mul(pull);
                NDArray result = noise.add(added)) {
            return LibTorch.get().toType(manager, result, type);
        }
    }

    /** (1, kvHeads, seqlen, 1): how much each key has of its head's direction. */
    private NDArray weights(Random random, int kvHeads, int seqlen) {
        float[] weights = new float[kvHeads * seqlen];
        int segment = PbsConfig.DEFAULT.segmentSize();
        double ofSegment = 0;
        for (int n = 0; n < weights.length; ++n) {
            if (n % seqlen % segment == 0) {
                ofSegment = 2 * random.nextDouble();
            }
            weights[n] = random.nextInt(KEYS_PER_IMPORTANT) == 0 ? (float) ofSegment : 0;
        }
        return manager.create(weights, new Shape(1, kvHeads, seqlen, 1));
    }
}

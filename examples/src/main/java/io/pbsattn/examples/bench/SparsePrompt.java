package io.pbsattn.examples.bench;

import io.pbsattn.PbsConfig;
import java.util.Random;

/**
 * A random prompt that makes the attention of a {@link RandomModel} sparse as that of trained
 * models: one token in {@value #TOKENS_PER_IMPORTANT}, at random, draws attention, as much as a
 * weight says that is the same in a segment of 256 tokens and uniform from 0 to `strength` over the
 * segments. In any other model it is a random prompt.
 */
public final class SparsePrompt {

    private static final int TOKENS_PER_IMPORTANT = 8;
    private static final int LEVELS = 64;
    private static final int MIDDLE = LEVELS / 2;

    /** Strengths at which llama-1b has about the paper's densities, from 8K tokens on. */
    private static final double[] STRENGTHS = {0.175, 0.3, 0.43, 0.7, 0.95};

    private static final int FIRST_LENGTH = 8192;

    private SparsePrompt() {}

    /** How much attention a token draws in a {@link RandomModel}: -1 to 1, by its id. */
    static float level(int token) {
        return (float) (token % LEVELS - MIDDLE) / MIDDLE;
    }

    /** The strength for a length, straight on between and beyond the lengths of the table. */
    public static double strength(int tokens) {
        double index = Math.log((double) tokens / FIRST_LENGTH) / Math.log(2);
        int before = (int) Math.max(0, Math.min(STRENGTHS.length - 2, Math.floor(index)));
        double slope = STRENGTHS[before + 1] - STRENGTHS[before];
        return Math.max(0, Math.min(1, STRENGTHS[before] + (index - before) * slope));
    }

    /** Token ids below vocabSize. */
    public static long[] ids(int tokens, int vocabSize, double strength, long seed) {
        Random random = new Random(seed);
        long[] ids = new long[tokens];
        double ofSegment = 0;
        for (int i = 0; i < tokens; ++i) {
            if (i % PbsConfig.DEFAULT.segmentSize() == 0) {
                ofSegment = strength * random.nextDouble();
            }
            boolean important = random.nextInt(TOKENS_PER_IMPORTANT) == 0;
            int level = important ? (int) Math.round(ofSegment * (MIDDLE - 1)) : 0;
            ids[i] = (long) LEVELS * random.nextInt(vocabSize / LEVELS) + MIDDLE + level;
        }
        return ids;
    }
}

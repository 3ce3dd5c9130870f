package io.pbsattn.zoo.model;

import java.util.function.IntFunction;
import java.util.function.UnaryOperator;

/**
 * Rotary position embedding: how fast each pair of a head's elements rotates with the position. A
 * table of frequencies holds for sequences up to a length; where the kind has it so, longer ones
 * have others.
 *
 * <p>Keys in a cache are rotated already, by the table of the sequence that they were computed in.
 * A longer sequence may have another one, see {@link #keyTable}; whether it can go on with them is
 * a matter of the kind, see {@link #needsNewKeys}.
 */
final class RopeConfig {

    private final float[] frequencies;
    private final int frequenciesUpTo;
    private final IntFunction<float[]> longer;
    private final boolean needsNewKeys;
    private final double attentionFactor;
    private final int maxTokens;

    private RopeConfig(
            float[] frequencies,
            int frequenciesUpTo,
            IntFunction<float[]> longer,
            boolean needsNewKeys,
            double attentionFactor,
            int maxTokens) {
        this.frequencies = frequencies;
        this.frequenciesUpTo = frequenciesUpTo;
        this.longer = longer;
        this.needsNewKeys = needsNewKeys;
        this.attentionFactor = attentionFactor;
        this.maxTokens = maxTokens;
    }

    /**
     * The same frequencies for every length.
     *
     * @param frequencies (pairs) radians from one position to the next
     * @param attentionFactor factor on cosines and sines
     * @param maxTokens the longest sequence that they are made for
     */
    static RopeConfig fixed(float[] frequencies, double attentionFactor, int maxTokens) {
        return new RopeConfig(
                frequencies,
                Integer.MAX_VALUE,
                n -> frequencies,
                false,
                attentionFactor,
                maxTokens);
    }

    /**
     * Frequencies that fall with the length, once that is beyond what the model was trained on.
     * Keys that a cache holds stay as they are, as in transformers.
     *
     * @param trainedTokens sequences up to this length have the frequencies of this length
     * @param ofLength gives the frequencies of a length
     * @param maxTokens the longest sequence that they are made for
     */
    static RopeConfig dynamic(int trainedTokens, IntFunction<float[]> ofLength, int maxTokens) {
        return new RopeConfig(
                ofLength.apply(trainedTokens), trainedTokens, ofLength, false, 1, maxTokens);
    }

    /**
     * One table for sequences up to a length and another for longer ones. Keys of one are of no use
     * for the other: transformers computes them anew, and so does {@link CausalLm}.
     *
     * @param shortFrequencies for sequences of up to shortTokens
     * @param longFrequencies for longer ones
     * @param attentionFactor factor on cosines and sines, of both
     * @param maxTokens the longest sequence that they are made for
     */
    static RopeConfig twoTables(
            float[] shortFrequencies,
            int shortTokens,
            float[] longFrequencies,
            double attentionFactor,
            int maxTokens) {
        return new RopeConfig(
                shortFrequencies,
                shortTokens,
                n -> longFrequencies,
                true,
                attentionFactor,
                maxTokens);
    }

    /**
     * Rounds the frequencies that a model holds when it is loaded. Those of longer sequences are
     * computed when they are needed, and not rounded, as in transformers.
     */
    RopeConfig rounded(UnaryOperator<float[]> rounding) {
        float[] rounded = rounding.apply(frequencies);
        return new RopeConfig(
                rounded,
                frequenciesUpTo,
                frequenciesUpTo == Integer.MAX_VALUE ? n -> rounded : longer,
                needsNewKeys,
                attentionFactor,
                maxTokens);
    }

    /**
     * Returns the angle by which each pair rotates from one position to the next.
     *
     * @param tokens length of the sequence
     * @return (pairs) radians, rounded to float32 as in transformers; elements of a head that are
     *     in no pair do not rotate
     */
    float[] inverseFrequencies(int tokens) {
        return tokens <= frequenciesUpTo ? frequencies : longer.apply(tokens);
    }

    /**
     * Returns a number for the frequencies of a sequence; lengths with the same frequencies have
     * the same number.
     *
     * @param tokens length of the sequence
     */
    int keyTable(int tokens) {
        if (tokens <= frequenciesUpTo) {
            return 0;
        }
        return needsNewKeys ? 1 : tokens;
    }

    /**
     * Tells whether a sequence that goes on with other frequencies needs its keys rotated by them,
     * all of them; else those that it has stay as they are.
     */
    boolean needsNewKeys() {
        return needsNewKeys;
    }

    /** Returns the factor on cosines and sines. */
    double attentionFactor() {
        return attentionFactor;
    }

    /** Returns the longest sequence that the frequencies are made for, in tokens. */
    int maxTokens() {
        return maxTokens;
    }
}

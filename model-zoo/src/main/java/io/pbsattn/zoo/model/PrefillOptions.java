package io.pbsattn.zoo.model;

/** How a prompt is prefilled. */
public final class PrefillOptions {

    private int chunkTokens = Integer.MAX_VALUE;
    private int[] logitPositions;
    private ProgressListener listener = (done, total) -> {};

    /** Constructs the default: the whole prompt at once, logits of its last position. */
    public PrefillOptions() {}

    /**
     * Prefills in chunks of the prompt, each against all that came before: the least memory, but
     * attention chooses its keys by each chunk's own last queries.
     *
     * @param tokens tokens in a chunk, at least 1
     * @return these options
     */
    public PrefillOptions optChunkTokens(int tokens) {
        if (tokens < 1) {
            throw new IllegalArgumentException("chunkTokens: expected at least 1, found " + tokens);
        }
        chunkTokens = tokens;
        return this;
    }

    /**
     * Asks for the logits of other positions than the last.
     *
     * @param positions rows of the input, rising, at least one
     * @return these options
     * @throws IllegalArgumentException if there is none
     */
    public PrefillOptions optLogitPositions(int... positions) {
        if (positions.length == 0) {
            throw new IllegalArgumentException("logitPositions: expected at least one, found none");
        }
        logitPositions = positions.clone();
        return this;
    }

    /**
     * Sets who hears of the progress.
     *
     * @param progressListener called on the prefill's thread
     * @return these options
     */
    public PrefillOptions optProgress(ProgressListener progressListener) {
        listener = progressListener;
        return this;
    }

    int chunkTokens() {
        return chunkTokens;
    }

    /**
     * Returns who is told how far the prefill is.
     *
     * @return the listener
     */
    public ProgressListener listener() {
        return listener;
    }

    /**
     * Returns these options with another listener and the logits of the last position, those that
     * an answer begins with; the caller's own stay as they are.
     *
     * @param other is told how far the prefill is
     * @return other options
     */
    public PrefillOptions forAnswer(ProgressListener other) {
        PrefillOptions copy = new PrefillOptions();
        copy.chunkTokens = chunkTokens;
        copy.listener = other;
        return copy;
    }

    /** The positions to compute logits for, checked against the prompt. */
    int[] logitPositions(int tokens) {
        if (logitPositions == null) {
            return new int[] {tokens - 1};
        }
        int previous = -1;
        for (int position : logitPositions) {
            if (position <= previous || position >= tokens) {
                throw new IllegalArgumentException(
                        "logitPositions: expected rising positions below "
                                + tokens
                                + ", found "
                                + position
                                + " after "
                                + previous);
            }
            previous = position;
        }
        return logitPositions.clone();
    }
}

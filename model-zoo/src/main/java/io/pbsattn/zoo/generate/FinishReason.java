package io.pbsattn.zoo.generate;

import java.util.Locale;

/** Why an answer ended. */
public enum FinishReason {

    /** The model said an end token. */
    EOS,

    /** A stop string was completed. */
    STOP,

    /** The limit of new tokens was reached, or the model's context was full. */
    LENGTH,

    /** The caller closed, cancelled or interrupted it, or its listener had heard enough. */
    CANCELLED;

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}

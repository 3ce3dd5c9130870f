package io.pbsattn.examples.option;

/** Reads {@code --context}: a prompt and an answer have at least one token each. */
public final class ContextTokens extends WholeNumber {

    /** Constructs the converter. */
    public ContextTokens() {
        super(2);
    }
}

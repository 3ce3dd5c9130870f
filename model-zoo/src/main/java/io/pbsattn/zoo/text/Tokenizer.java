package io.pbsattn.zoo.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.nio.file.Path;

/**
 * Turns texts into ids; what goes to native code is text, and not too long for it. The caller sees
 * to it that nobody closes it meanwhile.
 */
final class Tokenizer implements AutoCloseable {

    private final Path file;
    private final HuggingFaceTokenizer tokenizer;
    private final TextLimit limit;

    Tokenizer(Path file, HuggingFaceTokenizer tokenizer, TextLimit limit) {
        this.file = file;
        this.tokenizer = tokenizer;
        this.limit = limit;
    }

    /**
     * Encodes a text.
     *
     * @param text any text; halves of surrogate pairs become replacement characters
     * @param addsSpecial whether special tokens are added, as the tokenizer does it
     * @param maxTokens texts that cannot have so few tokens are refused
     * @throws IllegalArgumentException if the text is too long, or has what the tokenizer lacks
     */
    long[] encode(String text, boolean addsSpecial, long maxTokens) {
        limit.check(text, maxTokens);
        String wellFormed = WellFormed.repair(text);
        try {
            return tokenizer.encode(wellFormed, addsSpecial, false).getIds();
        } catch (RuntimeException e) {
            throw new IllegalArgumentException(
                    file + ": the tokenizer cannot encode the text: " + e.getMessage(), e);
        }
    }

    String decode(long[] ids, boolean skipsSpecialTokens) {
        return tokenizer.decode(ids, skipsSpecialTokens);
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        tokenizer.close();
    }
}

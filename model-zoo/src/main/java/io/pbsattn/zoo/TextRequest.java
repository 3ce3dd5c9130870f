package io.pbsattn.zoo;

/** A prompt that is to be answered in text. */
final class TextRequest {

    private final long[] ids;
    private final GenerationOptions options;
    private final Detokenizer detokenizer;

    /**
     * Constructs a request.
     *
     * @param ids of the prompt
     * @param options how it is to be answered
     * @param detokenizer turns the answer's ids into text
     */
    TextRequest(long[] ids, GenerationOptions options, Detokenizer detokenizer) {
        this.ids = ids;
        this.options = options;
        this.detokenizer = detokenizer;
    }

    long[] ids() {
        return ids;
    }

    GenerationOptions options() {
        return options;
    }

    /** The answer of a stream that continues the prompt. */
    Generation answer(TokenStream tokens) {
        return new Generation(tokens, detokenizer, options.stop());
    }
}

package io.pbsattn.zoo;

import java.util.List;

/** A prompt that can be answered, and is to be in text. */
final class TextRequest {

    private final long[] ids;
    private final GenerationSettings settings;
    private final List<String> stops;
    private final Detokenizer detokenizer;

    /**
     * Constructs a request.
     *
     * @param model is to answer it
     * @param ids of the prompt
     * @param options how it is to be answered
     * @param detokenizer turns the answer's ids into text
     * @throws IllegalArgumentException if the prompt is empty or leaves no room for an answer in
     *     the model's context
     */
    TextRequest(CausalLm model, long[] ids, GenerationOptions options, Detokenizer detokenizer) {
        this.ids = ids;
        this.detokenizer = detokenizer;
        settings = GenerationSettings.of(model, ids, options);
        stops = options.stop();
    }

    long[] ids() {
        return ids;
    }

    GenerationSettings settings() {
        return settings;
    }

    /** The answer of a stream that continues the prompt. */
    Generation answer(TokenStream tokens) {
        return new Generation(tokens, detokenizer, stops);
    }
}

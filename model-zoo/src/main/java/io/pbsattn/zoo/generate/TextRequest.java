package io.pbsattn.zoo.generate;

import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.text.Detokenizer;
import java.util.List;

/** A prompt that can be answered, and is to be in text. */
public final class TextRequest {

    private final long[] ids;
    private final GenerationSettings settings;
    private final List<String> stops;
    private final Detokenizer detokenizer;

    /**
     * Constructs a request.
     *
     * @param model is to answer it
     * @param config what the model's folder says about generation
     * @param ids of the prompt
     * @param options how it is to be answered
     * @param detokenizer turns the answer's ids into text
     * @throws IllegalArgumentException if the prompt is empty or leaves no room for an answer in
     *     the model's context
     */
    public TextRequest(
            CausalLm model,
            GenerationConfig config,
            long[] ids,
            GenerationOptions options,
            Detokenizer detokenizer) {
        this.ids = ids;
        this.detokenizer = detokenizer;
        settings = GenerationSettings.of(model, config, ids, options);
        stops = options.stop();
    }

    /**
     * Returns the prompt.
     *
     * @return ids
     */
    public long[] ids() {
        return ids;
    }

    /**
     * Returns how the prompt is continued.
     *
     * @return the settings
     */
    public GenerationSettings settings() {
        return settings;
    }

    /**
     * Makes the answer.
     *
     * @param tokens continue the prompt
     * @return their text
     */
    public Generation answer(TokenStream tokens) {
        return new Generation(tokens, detokenizer, stops);
    }
}

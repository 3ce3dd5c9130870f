package io.pbsattn.zoo.generate;

import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.PrefillOptions;
import java.util.Set;

/**
 * How one prompt is continued, every value settled.
 *
 * @param maxNewTokens the most tokens, at least 1 and no more than the context takes
 * @param eosTokenIds ids that end the answer
 * @param sampling how tokens are chosen
 * @param prefill how the prompt is prefilled
 */
public record GenerationSettings(
        int maxNewTokens,
        Set<Long> eosTokenIds,
        SamplingSettings sampling,
        PrefillOptions prefill) {

    /**
     * Settles options by what a model's folder says and its context takes.
     *
     * @param model is to continue the prompt
     * @param config what its folder says about generation
     * @param prompt ids
     * @param options what the caller wants
     * @return the settings
     * @throws IllegalArgumentException if the prompt is empty or leaves no room for an answer in
     *     the model's context
     */
    public static GenerationSettings of(
            CausalLm model, GenerationConfig config, long[] prompt, GenerationOptions options) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("prompt: expected at least one token");
        }
        if (prompt.length >= model.contextLimit()) {
            throw new IllegalArgumentException(
                    "context limit: the prompt has "
                            + prompt.length
                            + " tokens (a KV cache of "
                            + model.cacheBytes(prompt.length)
                            + " bytes), the limit is "
                            + model.contextLimit()
                            + " with the answer");
        }
        int maxNewTokens =
                options.maxNewTokens() != null
                        ? options.maxNewTokens()
                        : config.maxNewTokens(prompt.length);
        return new GenerationSettings(
                Math.min(maxNewTokens, model.contextLimit() - prompt.length),
                config.eosTokenIds(),
                options.sampling(config.defaults()),
                options.prefill());
    }
}

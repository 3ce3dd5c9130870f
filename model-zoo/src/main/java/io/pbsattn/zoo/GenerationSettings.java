package io.pbsattn.zoo;

import java.util.Set;

/**
 * How one prompt is continued, every value settled.
 *
 * @param maxNewTokens the most tokens, at least 1
 * @param eosTokenIds ids that end the answer
 * @param sampling how tokens are chosen
 * @param prefill how the prompt is prefilled
 */
record GenerationSettings(
        int maxNewTokens,
        Set<Long> eosTokenIds,
        SamplingSettings sampling,
        PrefillOptions prefill) {

    /** Settles options by what a model's folder says. */
    static GenerationSettings of(
            GenerationOptions options, GenerationConfig config, int promptTokens) {
        return new GenerationSettings(
                options.maxNewTokens() != null
                        ? options.maxNewTokens()
                        : config.maxNewTokens(promptTokens),
                config.eosTokenIds(),
                options.sampling(config.defaults()),
                options.prefill());
    }
}

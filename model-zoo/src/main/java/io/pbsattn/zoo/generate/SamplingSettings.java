package io.pbsattn.zoo.generate;

/**
 * How the next token is chosen, every value settled; {@link GenerationOptions} says what they mean.
 *
 * @param doSample by chance, else the likeliest token
 * @param temperature above 0 where doSample holds
 * @param topK tokens, 0 for all
 * @param topP a probability, 1 for all
 * @param minP a share of the largest probability, 0 for all
 * @param repetitionPenalty a factor, 1 for none
 * @param presencePenalty in logits, 0 for none
 * @param frequencyPenalty in logits per occurrence, 0 for none
 * @param seed of what chance decides
 */
record SamplingSettings(
        boolean doSample,
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        double presencePenalty,
        double frequencyPenalty,
        long seed) {}

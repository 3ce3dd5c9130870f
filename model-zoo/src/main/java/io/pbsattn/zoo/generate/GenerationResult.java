package io.pbsattn.zoo.generate;

import io.pbsattn.PrefillReport;

/**
 * An answer and what it took.
 *
 * @param text the answer, without the stop string that ended it
 * @param finishReason why it ended
 * @param promptTokens tokens of the prompt
 * @param reusedTokens those of them that another prompt had left in a cache
 * @param prefillSeconds wall time until the prompt had run
 * @param firstTokenSeconds wall time until the first token was chosen, prefill included; 0 if none
 *     was
 * @param decodeTokens tokens that were generated, an end token included
 * @param decodeSeconds wall time of choosing them and running them through the model; what the
 *     caller did between them is not in it. In a batch, a step that ran tokens of other answers too
 *     counts whole for each of them
 * @param report attention's density and time per stage in the prefill; null if the prefill was
 *     cancelled
 */
public record GenerationResult(
        String text,
        FinishReason finishReason,
        int promptTokens,
        int reusedTokens,
        double prefillSeconds,
        double firstTokenSeconds,
        int decodeTokens,
        double decodeSeconds,
        PrefillReport report) {}

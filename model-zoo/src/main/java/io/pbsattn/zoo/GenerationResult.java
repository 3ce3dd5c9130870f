package io.pbsattn.zoo;

import io.pbsattn.PrefillReport;

/**
 * An answer and what it took.
 *
 * @param text the answer
 * @param finishReason {@code stop} if the model ended it, {@code length} if the limit did
 * @param promptTokens tokens of the prompt
 * @param reusedTokens those of them that an earlier prompt had left in the cache
 * @param prefillSeconds wall time until the prompt had run
 * @param decodeTokens tokens that were decoded
 * @param decodeSeconds wall time of decoding
 * @param report attention's density and time per stage in the prefill
 */
public record GenerationResult(
        String text,
        String finishReason,
        int promptTokens,
        int reusedTokens,
        double prefillSeconds,
        int decodeTokens,
        double decodeSeconds,
        PrefillReport report) {}

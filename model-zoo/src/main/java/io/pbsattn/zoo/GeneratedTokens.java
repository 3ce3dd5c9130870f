package io.pbsattn.zoo;

import io.pbsattn.PrefillReport;

/**
 * What one prompt led to, in tokens.
 *
 * @param ids generated ids, without the one that ended the answer
 * @param endedByEos whether an end token ended it, not the limit
 * @param promptTokens tokens of the prompt
 * @param reusedTokens those of them that an earlier prompt had left in the cache
 * @param prefillSeconds wall time of the prefill
 * @param decodeTokens tokens that were decoded, the ending one included
 * @param decodeSeconds wall time of decoding
 * @param report attention's density and time per stage in the prefill
 */
@SuppressWarnings(
        "ArrayRecordComponent") // the ids go straight into an array; nobody compares results
record GeneratedTokens(
        long[] ids,
        boolean endedByEos,
        int promptTokens,
        int reusedTokens,
        double prefillSeconds,
        int decodeTokens,
        double decodeSeconds,
        PrefillReport report) {}

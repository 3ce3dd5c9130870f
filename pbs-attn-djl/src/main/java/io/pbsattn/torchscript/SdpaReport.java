package io.pbsattn.torchscript;

import io.pbsattn.PrefillReport;
import java.util.Map;
import java.util.Optional;

/**
 * What became of the calls of scaled dot product attention that a model, or a scope, has made.
 *
 * @param calls calls by where they went and why
 * @param prefill density and times of those that ran as Permuted Block-Sparse Attention; empty if
 *     none did
 */
public record SdpaReport(Map<SdpaRoute, Long> calls, Optional<PrefillReport> prefill) {

    /**
     * Returns the calls that went one way.
     *
     * @param route the way
     * @return their number
     */
    public long calls(SdpaRoute route) {
        return calls.getOrDefault(route, 0L);
    }
}

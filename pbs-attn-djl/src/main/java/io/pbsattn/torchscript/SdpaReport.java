package io.pbsattn.torchscript;

import io.pbsattn.PrefillReport;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What became of the calls of scaled dot product attention that a model, or a scope, has made.
 *
 * @param calls calls by where they went and why
 * @param prefill density and times of those that ran as Permuted Block-Sparse Attention; empty if
 *     none did
 * @param kernelRefusals why no kernel took the calls of {@link SdpaRoute#NO_KERNEL}, each reason
 *     once
 */
public record SdpaReport(
        Map<SdpaRoute, Long> calls, Optional<PrefillReport> prefill, List<String> kernelRefusals) {

    /**
     * Returns the calls that went one way.
     *
     * @param route the way
     * @return their number
     */
    public long calls(SdpaRoute route) {
        return calls.getOrDefault(route, 0L);
    }

    /**
     * Tells whether Permuted Block-Sparse Attention ran at all. If it did not, the model's times
     * and outputs say nothing about it.
     *
     * @return true if at least one call ran so
     */
    public boolean ranPbs() {
        return calls(SdpaRoute.PBS) > 0;
    }

    /**
     * Says how many calls ran as Permuted Block-Sparse Attention, and why the others did not.
     *
     * @return one line, such as {@code Permuted Block-Sparse Attention did not run. 4 of 4
     *     attention calls: fewer keys than attention.min_length}
     */
    public String summary() {
        long all = calls.values().stream().mapToLong(Long::longValue).sum();
        if (all == 0) {
            return "Permuted Block-Sparse Attention did not run. The model calls no"
                    + " scaled_dot_product_attention";
        }
        String ran =
                ranPbs()
                        ? "Permuted Block-Sparse Attention ran in "
                                + calls(SdpaRoute.PBS)
                                + " of "
                                + all
                                + " attention calls"
                        : "Permuted Block-Sparse Attention did not run";
        SortedMap<SdpaRoute, Long> others = new TreeMap<>(calls);
        others.remove(SdpaRoute.PBS);
        return others.entrySet().stream()
                .map(other -> ". " + other.getValue() + " of " + all + ": " + why(other.getKey()))
                .collect(Collectors.joining("", ran, ""));
    }

    private String why(SdpaRoute route) {
        return route == SdpaRoute.NO_KERNEL && !kernelRefusals.isEmpty()
                ? route.reason() + " (" + String.join("; ", kernelRefusals) + ")"
                : route.reason();
    }
}

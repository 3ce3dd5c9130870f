package io.pbsattn.torchscript;

import io.pbsattn.PrefillReport;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/** Counts the calls of a model, whatever threads they come from. */
final class SdpaStatistics {

    private final Map<SdpaRoute, Long> calls = new EnumMap<>(SdpaRoute.class);
    private PrefillReport prefill;

    synchronized void add(SdpaRoute route) {
        calls.merge(route, 1L, Long::sum);
    }

    synchronized void add(PrefillReport report) {
        prefill = prefill == null ? report : prefill.plus(report);
    }

    synchronized SdpaReport report() {
        return new SdpaReport(Map.copyOf(calls), Optional.ofNullable(prefill));
    }
}

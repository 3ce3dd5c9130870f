package io.pbsattn.torchscript;

import io.pbsattn.PrefillReport;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Counts the calls of a model, whatever threads they come from. */
final class SdpaStatistics {

    private static final int MAX_REFUSALS = 10;

    private final Map<SdpaRoute, Long> calls = new EnumMap<>(SdpaRoute.class);
    private final Set<String> kernelRefusals = new LinkedHashSet<>();
    private PrefillReport prefill;

    synchronized void add(SdpaRoute route) {
        calls.merge(route, 1L, Long::sum);
    }

    /** Keeps some reasons; they hold sizes, of which there may be very many. */
    synchronized void addKernelRefusal(String reason) {
        if (kernelRefusals.size() < MAX_REFUSALS) {
            kernelRefusals.add(reason);
        }
    }

    synchronized void add(PrefillReport report) {
        prefill = prefill == null ? report : prefill.plus(report);
    }

    synchronized SdpaReport report() {
        return new SdpaReport(
                Map.copyOf(calls), Optional.ofNullable(prefill), List.copyOf(kernelRefusals));
    }
}

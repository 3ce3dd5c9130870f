package io.pbsattn.examples.command;

import io.pbsattn.PrefillReport;
import io.pbsattn.examples.bench.Machine;
import io.pbsattn.examples.bench.Timing;
import io.pbsattn.torchscript.SdpaReport;
import io.pbsattn.torchscript.SdpaRoute;
import io.pbsattn.zoo.model.AttentionKind;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The JSON of {@code torchscript}; what was not run, or cannot be said, is null.
 *
 * @param speedup median over the rounds of dense time over PBS time; null if PBS did not run, for
 *     then both are the same work, or if there is one round, which tells no spread
 * @param speedupLow the least of them
 * @param speedupHigh the greatest of them
 * @param logitError the largest difference relative to the largest magnitude
 * @param backend what ran where PBS did
 * @param summary whether PBS ran in how many calls, and why not in the others
 */
record TorchScriptResult(
        String machine,
        String model,
        int tokens,
        Double denseSeconds,
        Double pbsSeconds,
        Double speedup,
        Double speedupLow,
        Double speedupHigh,
        Integer denseToken,
        Integer pbsToken,
        Double logitError,
        Double density,
        String backend,
        Map<SdpaRoute, Long> routes,
        String summary) {

    /**
     * Puts the figures together.
     *
     * @param seconds for each kind that ran its time in each round
     * @param logits for each kind that ran those of the last position
     * @param report what became of the calls of attention; empty if PBS was not asked for
     */
    static TorchScriptResult of(
            String model,
            int tokens,
            Map<AttentionKind, double[]> seconds,
            Map<AttentionKind, float[]> logits,
            Optional<SdpaReport> report)
            throws IOException {
        double[] dense = seconds.get(AttentionKind.DENSE);
        double[] pbs = seconds.get(AttentionKind.PBS);
        boolean areBoth = dense != null && pbs != null;
        boolean isRatio = areBoth && report.orElseThrow().ranPbs() && dense.length > 1;
        double[] ratios = isRatio ? ratios(dense, pbs) : null;
        Optional<PrefillReport> prefill = report.flatMap(SdpaReport::prefill);
        return new TorchScriptResult(
                Machine.describe(),
                model,
                tokens,
                dense == null ? null : Timing.median(dense.clone()),
                pbs == null ? null : Timing.median(pbs.clone()),
                isRatio ? Timing.median(ratios) : null,
                isRatio ? ratios[0] : null,
                isRatio ? ratios[ratios.length - 1] : null,
                dense == null ? null : argMax(logits.get(AttentionKind.DENSE)),
                pbs == null ? null : argMax(logits.get(AttentionKind.PBS)),
                areBoth
                        ? error(logits.get(AttentionKind.PBS), logits.get(AttentionKind.DENSE))
                        : null,
                prefill.map(PrefillReport::density).orElse(null),
                prefill.map(PrefillReport::backend).orElse(null),
                report.map(r -> (Map<SdpaRoute, Long>) new TreeMap<>(r.calls())).orElse(null),
                report.map(SdpaReport::summary).orElse(null));
    }

    /** Dense time over PBS time in each round, rising. */
    private static double[] ratios(double[] dense, double[] pbs) {
        double[] ratios = new double[dense.length];
        Arrays.setAll(ratios, i -> dense[i] / pbs[i]);
        Arrays.sort(ratios);
        return ratios;
    }

    private static int argMax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; ++i) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    private static double error(float[] found, float[] expected) {
        double difference = 0;
        double magnitude = 0;
        for (int i = 0; i < expected.length; ++i) {
            difference = Math.max(difference, Math.abs(found[i] - expected[i]));
            magnitude = Math.max(magnitude, Math.abs(expected[i]));
        }
        return difference / magnitude;
    }

    String text() {
        StringBuilder text = new StringBuilder();
        text.append(String.format("%s, %d tokens, %s%n", model, tokens, machine));
        if (denseSeconds != null) {
            text.append(line("PyTorch's attention", denseSeconds, denseToken));
        }
        if (pbsSeconds != null) {
            text.append(line("PBS asked for", pbsSeconds, pbsToken));
            text.append(String.format("%s%n", summary));
        }
        if (density != null) {
            text.append(String.format("density %.3f, backend %s%n", density, backend));
        }
        if (logitError != null) {
            text.append(String.format("logits differ by %.1e of the largest%n", logitError));
        }
        if (speedup != null) {
            text.append(
                    String.format(
                            "%.2f times as fast, %.2f to %.2f by round%s",
                            speedup,
                            speedupLow,
                            speedupHigh,
                            speedupLow < 1 && speedupHigh > 1 ? ": no difference shown" : ""));
        } else if (density != null && logitError != null) {
            text.append("One round tells no ratio: --runs 3 does.");
        }
        return text.toString().stripTrailing();
    }

    private static String line(String what, double seconds, int token) {
        return String.format("%-20s %8.3f s, next token %d%n", what, seconds, token);
    }
}

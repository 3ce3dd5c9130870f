package io.pbsattn.examples;

import java.util.Arrays;
import java.util.function.DoubleSupplier;

/** Medians of several runs, after one that is not counted. */
final class Timing {

    private static final int RUNS = 3;

    private Timing() {}

    /** Returns the median of what a run answers, in its unit. */
    static double median(DoubleSupplier run) {
        double[] values = new double[1 + RUNS];
        for (int i = 0; i < values.length; ++i) {
            values[i] = run.getAsDouble();
        }
        Arrays.sort(values, 1, values.length);
        return values[1 + RUNS / 2];
    }

    /** Returns the median wall time of some work, in seconds. */
    static double medianSeconds(Runnable work) {
        return median(
                () -> {
                    long start = System.nanoTime();
                    work.run();
                    return (System.nanoTime() - start) / 1e9;
                });
    }
}

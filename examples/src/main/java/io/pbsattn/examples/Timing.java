package io.pbsattn.examples;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.DoubleSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Times of works that are compared: they run in turn, in an order that changes from round to round,
 * so that a noisy machine slows all alike and none always finds caches and clock as the same other
 * one left them.
 */
final class Timing {

    /** After which the threads of the work before have stopped spinning in wait of more. */
    private static final long PAUSE_NANOS = 50_000_000;

    private Timing() {}

    /**
     * Returns the median of what each work answers.
     *
     * @param runs counted runs of each, after one that is not counted
     * @param works each returns its own measure, such as {@link #seconds}
     * @return one median for each
     */
    static double[] medians(int runs, DoubleSupplier... works) {
        double[][] found = new double[works.length][runs];
        List<Integer> order = IntStream.range(0, works.length).boxed().collect(Collectors.toList());
        Random random = new Random(1);
        for (int run = -1; run < runs; ++run) {
            Collections.shuffle(order, random);
            for (int w : order) {
                LockSupport.parkNanos(PAUSE_NANOS);
                double value = works[w].getAsDouble();
                if (run >= 0) {
                    found[w][run] = value;
                }
            }
        }
        return Arrays.stream(found).mapToDouble(Timing::median).toArray();
    }

    /** Returns the wall time of a work, in seconds. */
    static double seconds(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e9;
    }

    /** Returns the median of some values, which it sorts. */
    static double median(double[] values) {
        Arrays.sort(values);
        int half = values.length / 2;
        return values.length % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
    }
}

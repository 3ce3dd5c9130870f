package io.pbsattn.examples.bench;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;

/**
 * Times of works that are compared: they run in turn, in an order that changes from round to round,
 * so that a noisy machine slows all alike and none always finds caches and clock as the same other
 * one left them: each follows each of the others about as often.
 */
public final class Timing {

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
    public static double[] medians(int runs, DoubleSupplier... works) {
        return Arrays.stream(samples(runs, works)).mapToDouble(Timing::median).toArray();
    }

    /**
     * Returns what each work answers in each round.
     *
     * @param runs counted runs of each, after one that is not counted
     * @param works each returns its own measure, such as {@link #seconds}
     * @return for each work one value a round
     */
    public static double[][] samples(int runs, DoubleSupplier... works) {
        double[][] found = new double[works.length][runs];
        int[] steps = steps(works.length);
        for (int round = 0; round <= runs; ++round) {
            for (int n = 0; n < works.length; ++n) {
                int w = (round + n * steps[round % steps.length]) % works.length;
                LockSupport.parkNanos(PAUSE_NANOS);
                double value = works[w].getAsDouble();
                if (round > 0) {
                    found[w][round - 1] = value;
                }
            }
        }
        return found;
    }

    /** The steps that lead from any of some works through all of them, each to another next one. */
    private static int[] steps(int works) {
        return IntStream.rangeClosed(1, Math.max(1, works - 1))
                .filter(
                        step ->
                                BigInteger.valueOf(step)
                                        .gcd(BigInteger.valueOf(works))
                                        .equals(BigInteger.ONE))
                .toArray();
    }

    /** Returns the wall time of a work, in seconds. */
    public static double seconds(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e9;
    }

    /** Returns the median of some values, which it sorts. */
    public static double median(double[] values) {
        Arrays.sort(values);
        int half = values.length / 2;
        return values.length % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
    }
}

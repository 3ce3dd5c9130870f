package io.pbsattn.examples.verify.fuzz;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/** Tries bad input of one kind in child processes. */
public final class Fuzz {

    /** A child that says nothing for so long hangs. */
    private static final long HANG_SECONDS = 10;

    private static final int CHILDREN = 2;

    /** The most seeds that a child is asked for at a time. */
    private static final long MOST_AT_A_TIME = 500;

    private final Class<? extends Fuzzer> fuzzer;
    private final long portion;
    private final long end;
    private final AtomicLong next;
    private final FuzzReport report;

    private Fuzz(String name, Class<? extends Fuzzer> fuzzer, long runs, long seed) {
        this.fuzzer = fuzzer;
        portion = Math.min(MOST_AT_A_TIME, (runs + CHILDREN - 1) / CHILDREN);
        end = seed + runs;
        next = new AtomicLong(seed);
        report = new FuzzReport(name, runs);
    }

    /**
     * Tries inputs.
     *
     * @param runs how many
     * @param seed makes the first; each following one has the next number, so that one alone can be
     *     tried again
     * @return what became of them
     * @throws IOException if the children cannot run
     */
    public static FuzzReport run(FuzzTarget target, long runs, long seed) throws IOException {
        return run(target.toString(), target.fuzzer(), runs, seed);
    }

    static FuzzReport run(String name, Class<? extends Fuzzer> fuzzer, long runs, long seed)
            throws IOException {
        Fuzz fuzz = new Fuzz(name, fuzzer, runs, seed);
        Path folder = Files.createTempDirectory("pbs-fuzz");
        ExecutorService children = Executors.newFixedThreadPool(CHILDREN);
        try {
            List<Future<?>> works = new ArrayList<>();
            for (int n = 0; n < CHILDREN; ++n) {
                Path own = Files.createDirectory(folder.resolve(String.valueOf(n)));
                works.add(
                        children.submit(
                                () -> {
                                    fuzz.work(own);
                                    return null;
                                }));
            }
            for (Future<?> work : works) {
                work.get();
            }
            return fuzz.report;
        } catch (ExecutionException e) {
            throw new IOException(e.getCause().getMessage(), e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } finally {
            children.shutdownNow();
            delete(folder);
        }
    }

    private void work(Path folder) throws IOException {
        FuzzProcess child = null;
        try {
            long first = next.getAndAdd(portion);
            while (first < end) {
                long last = Math.min(end, first + portion);
                for (long seed = first; seed < last; ) {
                    if (child == null) {
                        child = FuzzProcess.start(fuzzer, folder);
                    }
                    child.ask(seed, last);
                    boolean isUsable = true;
                    while (isUsable && seed < last) {
                        isUsable = isUsableAfter(child, seed++);
                    }
                    if (!isUsable) {
                        child.close();
                        child = null;
                    }
                }
                first = next.getAndAdd(portion);
            }
        } finally {
            if (child != null) {
                child.close();
            }
        }
    }

    /** Takes the answer of a seed; false if the child is of no more use. */
    private boolean isUsableAfter(FuzzProcess child, long seed) {
        Optional<String> answer = child.answer(HANG_SECONDS);
        if (answer.isEmpty()) {
            report.add(Outcome.HUNG, seed, "no answer in " + HANG_SECONDS + " s");
            return false;
        }
        String line = answer.get();
        if (line.isEmpty()) {
            report.add(Outcome.CRASHED, seed, child.lastWords());
            return false;
        }
        Outcome outcome = Outcome.of(line);
        report.add(outcome, seed, line.substring(line.indexOf(' ') + 1));
        return outcome != Outcome.CRASHED;
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}

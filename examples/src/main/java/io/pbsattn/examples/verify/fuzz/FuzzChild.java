package io.pbsattn.examples.verify.fuzz;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Tries inputs in a process of its own, which bad input may bring down. It reads lines of two
 * seeds, the first and one past the last, and answers each seed between them with a line: an {@link
 * Outcome} and, where something is wrong, what.
 */
public final class FuzzChild {

    /** What the child says when it can be asked. */
    static final String READY = "READY";

    private static final String PROJECT = "io.pbsattn.";
    private static final int MOST_CHARACTERS = 300;

    private final Fuzzer fuzzer;
    private final Path folder;

    private FuzzChild(Fuzzer fuzzer, Path folder) {
        this.fuzzer = fuzzer;
        this.folder = folder;
    }

    /**
     * Runs the child.
     *
     * @param args the class of a {@link Fuzzer}, and a folder to write to
     */
    public static void main(String[] args) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // what a library prints is no answer
        Class<?> type = Class.forName(args[0]);
        Fuzzer fuzzer = (Fuzzer) type.getDeclaredConstructor().newInstance();
        FuzzChild child = new FuzzChild(fuzzer, Path.of(args[1]));
        answers.println(READY);
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String line = lines.readLine();
        while (line != null) {
            String[] seeds = line.split(" ", -1);
            for (long seed = Long.parseLong(seeds[0]); seed < Long.parseLong(seeds[1]); ++seed) {
                answers.println(child.answer(seed));
            }
            line = lines.readLine();
        }
    }

    private String answer(long seed) throws IOException {
        try {
            fuzzer.write(folder, new SplittableRandom(seed));
        } catch (Exception e) {
            throw new IOException("no input of seed " + seed + ": " + e, e);
        }
        try {
            fuzzer.read(folder);
            return Outcome.ACCEPTED.line("");
        } catch (Exception e) {
            String message = String.valueOf(e.getMessage());
            return fuzzer.names(message, folder)
                    ? Outcome.REJECTED.line("")
                    : Outcome.UNNAMED.line(describe(e));
        } catch (Throwable e) {
            // No memory, no stack: what caught it in vain is as wrong as a crash.
            return Outcome.CRASHED.line(describe(e));
        }
    }

    /** Where it was thrown, and what it said: one line. */
    private static String describe(Throwable e) {
        String where =
                Arrays.stream(e.getStackTrace())
                        .filter(frame -> frame.getClassName().startsWith(PROJECT))
                        .filter(frame -> !frame.getClassName().contains(".fuzz."))
                        .findFirst()
                        .map(frame -> " at " + frame.getFileName() + ":" + frame.getLineNumber())
                        .orElse("");
        String message = String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
        return e.getClass().getName()
                + where
                + ": "
                + message.substring(0, Math.min(message.length(), MOST_CHARACTERS));
    }
}

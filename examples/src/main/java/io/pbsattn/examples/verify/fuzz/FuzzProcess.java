package io.pbsattn.examples.verify.fuzz;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** A running {@link FuzzChild}. */
final class FuzzProcess implements AutoCloseable {

    private static final long START_SECONDS = 120;
    private static final String END = "";

    /** Lines of a JVM, or of a library in Rust, that tell why a process ends. */
    private static final Pattern TELLING = Pattern.compile("panicked|SIG[A-Z]{3}|fatal|Error");

    /** Where a library was built, which tells nobody anything. */
    private static final String RUST_SOURCES = "/\\S*/registry/src/[^/]+/";

    /** Settings of this process that its child needs as well. */
    private static final List<String> INHERITED =
            List.of("ai.djl.offline", "DJL_CACHE_DIR", "ENGINE_CACHE_DIR", "java.io.tmpdir");

    private final Process process;
    private final Path err;
    private final Writer questions;
    private final BlockingQueue<String> answers = new LinkedBlockingQueue<>();

    private FuzzProcess(Process process, Path err) {
        this.process = process;
        this.err = err;
        questions = process.outputWriter(StandardCharsets.UTF_8);
        Thread reader = new Thread(this::read, "fuzz-answers");
        reader.setDaemon(true);
        reader.start();
    }

    /**
     * Starts a child.
     *
     * @param folder is its own, for files
     * @throws IOException if it does not start; says what it said
     */
    static FuzzProcess start(Class<? extends Fuzzer> fuzzer, Path folder) throws IOException {
        Path files = Files.createDirectories(folder.resolve("files"));
        Path err = folder.resolve("stderr");
        FuzzProcess started =
                new FuzzProcess(
                        new ProcessBuilder(command(fuzzer, folder, files))
                                .redirectError(err.toFile())
                                .start(),
                        err);
        Optional<String> first = started.answer(START_SECONDS);
        if (!first.equals(Optional.of(FuzzChild.READY))) {
            started.close();
            throw new IOException("a child process did not start: " + started.lastWords());
        }
        return started;
    }

    private static List<String> command(Class<? extends Fuzzer> fuzzer, Path folder, Path files) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-Xmx512m",
                        "-XX:+UseSerialGC",
                        "-XX:-CreateCoredumpOnCrash",
                        "-XX:ErrorFile=" + folder.resolve("hs_err.log")));
        // Flags for native access, which newer JDKs ask for.
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(flag -> flag.startsWith("--"))
                .forEach(command::add);
        for (String name : INHERITED) {
            if (System.getProperty(name) != null) {
                command.add("-D" + name + "=" + System.getProperty(name));
            }
        }
        command.addAll(
                List.of(
                        "-cp",
                        System.getProperty("java.class.path"),
                        FuzzChild.class.getName(),
                        fuzzer.getName(),
                        files.toString()));
        return command;
    }

    private void read() {
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            lines.lines().forEach(answers::add);
        } catch (IOException | UncheckedIOException e) {
            // The process was ended.
        }
        answers.add(END);
    }

    /** Asks for the seeds from one up to another. */
    void ask(long first, long end) {
        try {
            questions.write(first + " " + end + "\n");
            questions.flush();
        } catch (IOException e) {
            // It is dead, as the missing answer will tell.
            process.destroyForcibly();
        }
    }

    /**
     * Waits for an answer.
     *
     * @return empty if none came in time; "" if the process is dead
     */
    Optional<String> answer(long seconds) {
        try {
            return Optional.ofNullable(answers.poll(seconds, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    /** What the process said last on standard error that tells why it died. */
    String lastWords() {
        try {
            process.waitFor(1, TimeUnit.SECONDS);
            String status = process.isAlive() ? "" : "exit status " + process.exitValue() + ": ";
            List<String> lines =
                    new String(Files.readAllBytes(err), StandardCharsets.UTF_8).lines().toList();
            String last = lines.isEmpty() ? "" : lines.get(lines.size() - 1);
            return status
                    + lines.stream()
                            .filter(line -> TELLING.matcher(line).find())
                            .findFirst()
                            .orElse(last)
                            .replaceAll(RUST_SOURCES, "");
        } catch (IOException e) {
            return e.toString();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return e.toString();
        }
    }

    /** Ends the process. */
    @Override
    public void close() {
        process.destroyForcibly();
        try {
            process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}

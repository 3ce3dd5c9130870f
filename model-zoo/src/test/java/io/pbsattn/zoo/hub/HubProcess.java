package io.pbsattn.zoo.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A JVM of its own that downloads a model, for what only a second process can show. */
final class HubProcess {

    private static final long LIMIT_SECONDS = 120;

    private final Process process;

    private HubProcess(Process process) {
        this.process = process;
    }

    /**
     * What the process does.
     *
     * @param args the model's URL and the size of a range
     */
    public static void main(String[] args) {
        try {
            HubSettings settings = HubSettings.fromEnvironment();
            System.out.println(
                    settings.endpoint()
                            + " "
                            + settings.cache()
                            + " "
                            + settings.token()
                            + " "
                            + settings.isOffline());
            Sleeper brief = wait -> Thread.sleep(Math.min(wait.toMillis(), 50));
            Hub hub = new Hub(settings, brief, Integer.parseInt(args[1]), folder -> 1L << 60);
            System.out.println(hub.download(HubModelId.parse(args[0]), null));
        } catch (IOException e) {
            System.out.println(e);
            System.exit(1);
        }
    }

    /**
     * Starts the process.
     *
     * @param shell a shell command that goes before; may be empty
     * @param environment the only HF_ variables
     */
    static HubProcess start(
            String shell, String url, int chunkBytes, Map<String, String> environment)
            throws IOException {
        List<String> java =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx256m",
                                "-XX:-UsePerfData",
                                "-cp",
                                System.getProperty(
                                        "surefire.test.class.path",
                                        System.getProperty("java.class.path")),
                                HubProcess.class.getName(),
                                url,
                                "" + chunkBytes));
        if (!shell.isEmpty()) {
            java.addAll(0, List.of("sh", "-c", shell + "; exec \"$@\"", "sh"));
        }
        ProcessBuilder builder = new ProcessBuilder(java).redirectErrorStream(true);
        builder.environment().keySet().removeIf(name -> name.startsWith("HF_"));
        builder.environment().putAll(environment);
        return new HubProcess(builder.start());
    }

    /** Waits for the end; returns what was printed. */
    String join(int status) {
        try {
            String printed =
                    new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("still running after " + Duration.ofMinutes(2));
            }
            if (process.exitValue() != status) {
                throw new AssertionError("status " + process.exitValue() + ": " + printed);
            }
            return printed;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        } finally {
            process.destroyForcibly();
        }
    }

    /** Ends it as a power cut would. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }
}

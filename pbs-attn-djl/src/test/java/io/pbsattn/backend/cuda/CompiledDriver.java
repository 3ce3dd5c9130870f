package io.pbsattn.backend.cuda;

import io.pbsattn.Requirement;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.testng.Assert;

/** A libcuda.so.1 that is compiled for a test, and Java processes that find it. */
final class CompiledDriver {

    private static final long MINUTES = 5;

    private final Path folder;

    private CompiledDriver(Path folder) {
        this.folder = folder;
    }

    /**
     * Compiles a driver into a folder of its own.
     *
     * @param compiler such as cc; its options and the sources follow
     * @throws org.testng.SkipException where there is no such compiler, or JCuda has no natives
     */
    static CompiledDriver compile(String compiler, String... options)
            throws IOException, InterruptedException {
        if (!System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals("amd64")) {
            throw Requirement.JCUDA.missing("JCuda's natives run on Linux on x86-64 only");
        }
        Path folder = Files.createTempDirectory("driver");
        Path library = folder.resolve(DriverLibrary.NAME);
        List<String> command = new ArrayList<>(List.of(compiler, "-shared", "-fPIC"));
        command.addAll(List.of("-o", library.toString()));
        command.addAll(List.of(options));
        List<String> output;
        try {
            output = run(command, folder, Map.of());
        } catch (IOException e) {
            throw Requirement.JCUDA.missing("no compiler to make a driver with: " + e.getMessage());
        }
        Assert.assertTrue(Files.exists(library), String.join("\n", output));
        return new CompiledDriver(folder);
    }

    /** The driver's folder; processes may write to it. */
    Path folder() {
        return folder;
    }

    /**
     * Runs a class of the tests in a process whose driver is this one.
     *
     * @param options of the JVM
     * @param environment variables for the driver
     * @param before what comes first in the class path; null for nothing
     * @return the lines that it printed
     */
    List<String> java(
            List<String> options,
            Map<String, String> environment,
            Path before,
            Class<?> main,
            String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.add("-Djava.io.tmpdir=" + folder);
        if (Runtime.version().feature() >= 24) {
            command.add("--enable-native-access=ALL-UNNAMED");
            command.add("--sun-misc-unsafe-memory-access=allow");
        }
        String classPath =
                System.getProperty(
                        "surefire.test.class.path", System.getProperty("java.class.path"));
        command.add("-cp");
        command.add(before == null ? classPath : before + ":" + classPath);
        command.add(main.getName());
        command.addAll(List.of(arguments));
        return run(command, folder, environment);
    }

    private static List<String> run(
            List<String> command, Path folder, Map<String, String> environment)
            throws IOException, InterruptedException {
        Path output = Files.createTempFile(folder, "output", ".txt");
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().put("LD_LIBRARY_PATH", folder.toString());
        builder.environment().putAll(environment);
        builder.redirectErrorStream(true).redirectOutput(output.toFile());
        Process process = builder.start();
        if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
            process.destroyForcibly();
            Assert.fail(command + " does not end");
        }
        List<String> lines = Files.readAllLines(output, StandardCharsets.UTF_8);
        Assert.assertEquals(process.exitValue(), 0, String.join("\n", lines));
        return lines;
    }
}

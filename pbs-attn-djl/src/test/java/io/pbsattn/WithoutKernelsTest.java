package io.pbsattn;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.testng.Assert;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** A process whose class path lacks the kernels: what runs, and what the user is told. */
public class WithoutKernelsTest {

    private static final long MINUTES = 5;
    private static final String REMEDY = "native library for";

    private List<String> lines;

    @BeforeClass
    public void run() throws IOException, InterruptedException, URISyntaxException {
        String classPath =
                System.getProperty(
                        "surefire.test.class.path", System.getProperty("java.class.path"));
        String without =
                Arrays.stream(classPath.split(File.pathSeparator))
                        .filter(entry -> !entry.contains("native-kernels"))
                        .collect(Collectors.joining(File.pathSeparator));
        Assert.assertNotEquals(without, classPath, "there are kernels to leave out");
        Path script = Path.of(getClass().getResource("/golden/torchscript/llama_sdpa.pt").toURI());
        Path output = Files.createTempFile("without-kernels", ".txt");
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-cp",
                                without,
                                WithoutKernelsMain.class.getName(),
                                script.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        boolean ended = process.waitFor(MINUTES, TimeUnit.MINUTES);
        process.destroyForcibly();
        lines = Files.readAllLines(output);
        Files.delete(output);
        Assert.assertTrue(ended && process.exitValue() == 0, String.join("\n", lines));
    }

    @Test
    public void modelsRunDenseAndSaySoOnce() {
        Assert.assertEquals(values("model"), List.of("pytorch", "pytorch", "pytorch"));
        Assert.assertEquals(warnings("Attention runs dense, on PyTorch"), 1, "" + lines);
    }

    @Test
    public void theBareOperatorRunsOnTheReferenceAndSaysSoOnce() {
        Assert.assertEquals(values("bare"), List.of("reference", "reference", "reference"));
        Assert.assertEquals(warnings("slow reference backend"), 1, "" + lines);
    }

    @Test
    public void aForcedBackendRunsOrSaysWhyNot() {
        Assert.assertEquals(values("forced"), List.of("reference"));
        String cpu = values("cpu").get(0);
        Assert.assertTrue(cpu.contains("'cpu' cannot run") && cpu.contains(REMEDY), cpu);
    }

    @Test
    public void torchScriptModelsSayThatPbsDidNotRun() {
        String script = values("script").get(0);
        Assert.assertTrue(
                script.startsWith(
                        "false Permuted Block-Sparse Attention did not run. 2 of 2: no kernel"),
                script);
        Assert.assertTrue(script.contains(REMEDY), script);
        Assert.assertEquals(warnings("Attention of a TorchScript model"), 1, "" + lines);
    }

    private List<String> values(String key) {
        return lines.stream()
                .filter(line -> line.startsWith(key + "="))
                .map(line -> line.substring(key.length() + 1))
                .toList();
    }

    /** Warnings with some words; each tells the remedy. */
    private long warnings(String words) {
        return lines.stream()
                .filter(l -> l.contains("WARN") && l.contains(words) && l.contains(REMEDY))
                .count();
    }
}

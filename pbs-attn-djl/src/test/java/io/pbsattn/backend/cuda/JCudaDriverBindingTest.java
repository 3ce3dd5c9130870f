package io.pbsattn.backend.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.testng.Assert;
import org.testng.SkipException;
import org.testng.annotations.Test;

/**
 * The binding against a driver that is compiled here and has no GPU: every argument arrives as it
 * was meant, and every answer comes back. It runs in a process of its own, because a process loads
 * one libcuda.
 */
public class JCudaDriverBindingTest {

    private static final List<String> EXPECTED =
            List.of(
                    "cuInit 0",
                    "= version 13000",
                    "= count 2",
                    "cuDeviceTotalMem 41",
                    "cuDeviceGetAttribute 97 41",
                    "= gpu 0 40 Stub 40 1075",
                    "= gpu 1 41 Stub 41 1075",
                    "cuDevicePrimaryCtxRetain 41",
                    "= context 7000000000c0",
                    "cuCtxPushCurrent 0x7000000000c0",
                    "= memory 5368709120 of 6442450944",
                    "cuModuleLoadDataEx bad image, options 2: 5 6, log of 19",
                    "= bad image 200",
                    "= log this is the log",
                    "cuModuleLoadDataEx good image, options 2: 5 6, log of 19",
                    "= module 7000000000a0",
                    "cuModuleGetFunction 0x7000000000a0 pbs_select",
                    "cuFuncSetAttribute 0x7000000000f0 8 98304",
                    "cuMemPoolCreate type 1, handles 0, location 1 41, rest 0",
                    "cuMemPoolSetAttribute 0x7000000000b0 4 7fffffffffffffff",
                    "cuMemAllocFromPoolAsync 2199023255552 0x7000000000b0 0x7000000000d0",
                    "= full 2",
                    "= address 0",
                    "cuMemAllocFromPoolAsync 5368709120 0x7000000000b0 0x7000000000d0",
                    "= address 7f0000000100",
                    "cuMemsetD8Async 7f0000000100 255 32 0x7000000000d0",
                    "cuMemcpyHtoDAsync 7f0000000100 lengths 8 (nil)",
                    "cuMemcpyDtoHAsync 7f0000000100 4 0x7000000000d0",
                    "= copied xxxx    ",
                    "cuEventCreate 0",
                    "cuEventRecord 0x7000000000e0 0x7000000000d0",
                    "cuEventElapsedTime 0x7000000000e0 0x7000000000e1",
                    "= time 2.5",
                    "cuEventDestroy 0x7000000000e0",
                    "cuTensorMapEncodeTiled type 9, 4 of 0x7f0000000200, sizes 128 1048576 8 2,"
                            + " strides 256 268435456 2147483648, box 64 128 1 1, steps 1 1 1 1,"
                            + " 0 3 3 0, aligned 1",
                    "= map true",
                    "cuLaunchKernel 0x7000000000f0 (1048576 2 3) (384 1 1) 200000 0x7000000000d0:"
                            + " first second, extra (nil)",
                    "cuStreamSynchronize 0x7000000000d0",
                    "cuMemFreeAsync 7f0000000100 0x7000000000d0",
                    "cuMemPoolTrimTo 0x7000000000b0 7",
                    "cuMemPoolDestroy 0x7000000000b0",
                    "cuModuleUnload 0x7000000000a0",
                    "cuCtxPopCurrent",
                    "cuDevicePrimaryCtxRelease 41",
                    "= names CUDA_ERROR_OUT_OF_MEMORY CUDA_ERROR_ILLEGAL_ADDRESS");

    @Test
    public void everyArgumentArrivesAndEveryAnswerComesBack()
            throws IOException, InterruptedException {
        List<String> output = java(stubFolder(), StubDriverMain.class.getName());
        int at = 0;
        for (String line : EXPECTED) {
            int found = output.subList(at, output.size()).indexOf(line);
            Assert.assertTrue(
                    found >= 0, "missing: " + line + "\nin\n" + String.join("\n", output));
            at += found + 1;
        }
    }

    /** A whole call by the program that the check on a GPU runs, from a job to its results. */
    @Test
    public void wholeCallRunsOnTheStub() throws IOException, InterruptedException {
        if (getClass().getResource(KernelManifest.FOLDER + "pbs_cuda.json") == null) {
            throw new SkipException("the build left CUDA out, so there are no kernels to launch");
        }
        Path folder = stubFolder();
        for (String name : List.of("q", "k", "v")) {
            Files.write(folder.resolve(name + ".bin"), new byte[2 * 700 * 2 * 64]);
        }
        Path jobs = folder.resolve("jobs.json");
        Files.writeString(
                jobs,
                """
                [{"folder": "FOLDER", "type": "BF16", "numQHeads": 2, "numKvHeads": 2,
                  "headDim": 64, "seqlenQ": 700, "seqlenK": 700, "lengthsQ": [700],
                  "lengthsK": [700], "segmentSize": 256, "threshold": 0.9, "trace": true,
                  "forceFirstBlock": true, "warmUp": 1, "repeat": 2}]
                """
                        .replace("FOLDER", folder.toString()));
        Path report = folder.resolve("report.json");
        List<String> output =
                java(
                        folder,
                        GpuCheck.class.getName(),
                        jobs.toString(),
                        report.toString(),
                        "fatbin");
        Assert.assertTrue(Files.exists(report), "no report: " + String.join("\n", output));
        String found = Files.readString(report);
        Assert.assertTrue(found.contains("\"callSeconds\":["), found);
        Assert.assertFalse(found.contains("\"error\""), found);
        Assert.assertEquals(Files.size(folder.resolve("o.bin")), 2 * 700 * 2 * 64);
        Assert.assertEquals(Files.size(folder.resolve("block_mask.bin")), 2 * 6 * 6);
        Assert.assertEquals(
                output.stream().filter(line -> line.startsWith("cuLaunchKernel")).count(),
                3 * 9,
                String.join("\n", output));
    }

    /** A folder with a driver in it. */
    private static Path stubFolder() throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("stub-driver");
        compileStub(folder);
        return folder;
    }

    private static List<String> java(Path folder, String... mainAndArguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        // Checks that JCuda's natives write only to objects that have what they write.
        command.add("-Xcheck:jni");
        command.add("-Djava.io.tmpdir=" + folder);
        if (Runtime.version().feature() >= 24) {
            command.add("--enable-native-access=ALL-UNNAMED");
            command.add("--sun-misc-unsafe-memory-access=allow");
        }
        command.add("-cp");
        command.add(
                System.getProperty(
                        "surefire.test.class.path", System.getProperty("java.class.path")));
        command.addAll(List.of(mainAndArguments));
        return run(command, folder);
    }

    private static void compileStub(Path folder) throws IOException, InterruptedException {
        Path source = folder.resolve("stub_driver.c");
        try (var in = JCudaDriverBindingTest.class.getResourceAsStream("/cuda/stub_driver.c")) {
            Files.copy(in, source, StandardCopyOption.REPLACE_EXISTING);
        }
        if (!System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals("amd64")) {
            throw new SkipException("JCuda's natives run on Linux on x86-64 only");
        }
        List<String> output;
        try {
            output =
                    run(
                            List.of(
                                    "cc",
                                    "-shared",
                                    "-fPIC",
                                    "-o",
                                    "libcuda.so.1",
                                    "stub_driver.c"),
                            folder);
        } catch (IOException e) {
            throw new SkipException("no C compiler to make a driver with: " + e.getMessage(), e);
        }
        Assert.assertTrue(Files.exists(folder.resolve("libcuda.so.1")), String.join("\n", output));
    }

    private static List<String> run(List<String> command, Path folder)
            throws IOException, InterruptedException {
        Path output = Files.createTempFile(folder, "output", ".txt");
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.directory(folder.toFile());
        builder.environment().put("LD_LIBRARY_PATH", folder.toString());
        builder.redirectErrorStream(true).redirectOutput(output.toFile());
        Process process = builder.start();
        if (!process.waitFor(2, TimeUnit.MINUTES)) {
            process.destroyForcibly();
            Assert.fail(command + " does not end");
        }
        List<String> lines = Files.readAllLines(output, StandardCharsets.UTF_8);
        Assert.assertEquals(process.exitValue(), 0, String.join("\n", lines));
        return lines;
    }
}

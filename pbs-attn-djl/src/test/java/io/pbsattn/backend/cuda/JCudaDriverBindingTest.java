package io.pbsattn.backend.cuda;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import org.testng.Assert;
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
        Path source = Files.createTempFile("stub_driver", ".c");
        try (var in = JCudaDriverBindingTest.class.getResourceAsStream("/cuda/stub_driver.c")) {
            Files.copy(in, source, StandardCopyOption.REPLACE_EXISTING);
        }
        // The JVM checks that JCuda's natives write only to objects that have what they write.
        List<String> output =
                CompiledDriver.compile("cc", source.toString())
                        .java(List.of("-Xcheck:jni"), Map.of(), null, StubDriverMain.class);
        int at = 0;
        for (String line : EXPECTED) {
            int found = output.subList(at, output.size()).indexOf(line);
            Assert.assertTrue(
                    found >= 0, "missing: " + line + "\nin\n" + String.join("\n", output));
            at += found + 1;
        }
    }
}

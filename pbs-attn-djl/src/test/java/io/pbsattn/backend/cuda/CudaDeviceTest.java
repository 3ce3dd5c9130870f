package io.pbsattn.backend.cuda;

import io.pbsattn.AttentionTrace;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import io.pbsattn.backend.BackendUnavailableException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Whatever the driver refuses, the exception names the call, and nothing stays behind. */
public class CudaDeviceTest {

    /**
     * A call with head ranges, padding, tensor maps and a trace: all that the driver can be asked.
     */
    private static CudaCall everything() {
        return Fixtures.call(
                8,
                4,
                128,
                new SequenceLengths(new int[] {100, 900}, new int[] {1300, 1700}),
                1000,
                1800,
                PbsConfig.builder().optMinLength(0).build(),
                new AttentionTrace());
    }

    private static void openAndRun(FakeDriver driver, CudaCall call)
            throws BackendUnavailableException {
        try (CudaDevice device =
                CudaDevice.open(driver, Fixtures.H100, Fixtures.manifest(), Fixtures.fatbin())) {
            new CudaAttention(device, 1 << 20).run(call, 0x77);
        }
    }

    @Test
    public void everythingIsReleased() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver();
        openAndRun(driver, everything());
        driver.assertNothingHeld();
        Assert.assertEquals(driver.count("cuMemAllocFromPoolAsync"), 1);
        Assert.assertEquals(driver.uploads.size(), 2, "lengths of queries and of keys");
    }

    /** Each call that a whole life of the device makes, at its first and at its last time. */
    @DataProvider
    public Object[][] failures() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver();
        openAndRun(driver, everything());
        Set<String> names = new LinkedHashSet<>(driver.calls);
        List<Object[]> rows = new ArrayList<>();
        for (String name : names) {
            Set<Long> times = new TreeSet<>(List.of(1L, driver.count(name)));
            times.forEach(time -> rows.add(new Object[] {name, time.intValue()}));
        }
        return rows.toArray(Object[][]::new);
    }

    @Test(dataProvider = "failures")
    public void failureNamesTheCallAndReleasesEverything(String call, int nth) {
        FakeDriver driver = new FakeDriver().failing(call, nth, 999);
        CudaException e =
                Assert.expectThrows(CudaException.class, () -> openAndRun(driver, everything()));
        Assert.assertTrue(
                e.getMessage()
                        .startsWith("cuda: " + call + " failed with CUDA_ERROR_999 (999) while "),
                e.getMessage());
        Assert.assertEquals(e.code(), 999);
        if (!call.equals("cuCtxPushCurrent") || nth < 3) {
            // Without its context a closing device cannot release what is in it.
            driver.assertNothingHeld();
        }
    }

    @Test
    public void failuresOfCleaningUpDoNotHideTheFirst() {
        FakeDriver driver =
                new FakeDriver() {
                    @Override
                    public int cuMemFreeAsync(long address, long stream) {
                        super.cuMemFreeAsync(address, stream);
                        return 700;
                    }
                };
        driver.failing("cuLaunchKernel", 5, 719);
        CudaException e =
                Assert.expectThrows(CudaException.class, () -> openAndRun(driver, everything()));
        Assert.assertTrue(e.getMessage().contains("cuLaunchKernel"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("only by a new process"), e.getMessage());
        Assert.assertEquals(e.getSuppressed().length, 1);
        Assert.assertTrue(e.getSuppressed()[0].getMessage().contains("cuMemFreeAsync"));
        driver.assertNothingHeld();
    }

    @Test
    public void fullGpuNamesBytesWantedAndFree() {
        FakeDriver driver =
                new FakeDriver() {
                    @Override
                    public int cuMemAllocFromPoolAsync(
                            long[] address, long bytes, long pool, long stream) {
                        calls.add("cuMemAllocFromPoolAsync");
                        return 2;
                    }
                };
        CudaException e =
                Assert.expectThrows(CudaException.class, () -> openAndRun(driver, everything()));
        Assert.assertEquals(driver.count("cuMemAllocFromPoolAsync"), 2);
        Assert.assertTrue(e.isOutOfMemory());
        Assert.assertTrue(
                e.getMessage().matches(".*a workspace of \\d+ bytes on GPU 0.*"), e.getMessage());
        Assert.assertTrue(
                e.getMessage().contains((70L << 30) + " of " + (80L << 30) + " bytes are free"),
                e.getMessage());
        driver.assertNothingHeld();
    }

    @Test
    public void idleMemoryIsFreedBeforeAnAllocationFails() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver().failing("cuMemAllocFromPoolAsync", 1, 2);
        openAndRun(driver, everything());
        Assert.assertEquals(driver.count("cuMemPoolTrimTo"), 1);
        driver.assertNothingHeld();
    }

    @Test
    public void notFiniteIsNamed() {
        FakeDriver driver = new FakeDriver();
        driver.counters[1] = ~(2L << 60 | 1L << 44 | 3L << 28 | 431);
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class, () -> openAndRun(driver, everything()));
        Assert.assertEquals(e.getMessage(), "v: NaN or infinity in sequence 1, head 3, row 431");
        driver.assertNothingHeld();
    }

    @Test
    public void reportsBlocksAndTimesOfAllHeadRanges() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver();
        try (CudaDevice device =
                CudaDevice.open(driver, Fixtures.A100, Fixtures.manifest(), Fixtures.fatbin())) {
            CudaCall call = Fixtures.call(8, 4, 128, 1000, 1000);
            Assert.assertEquals(new CudaAttention(device, 1).plan(call).headRanges().size(), 4);
            CudaAttention.Result result = new CudaAttention(device, 1).run(call, 0);
            Assert.assertEquals(result.keptBlocks(), 7);
            // Half a second between any two events, one interval a stage and head range.
            for (Launch.Stage stage : Launch.Stage.values()) {
                Assert.assertEquals(result.seconds().get(stage), 2.0, 1e-9, stage.toString());
            }
        }
        driver.assertNothingHeld();
    }

    @Test
    public void hopperGetsTensorMaps() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver();
        openAndRun(driver, Fixtures.call(4, 2, 128, 1000, 1000));
        FakeDriver.Launched attend = driver.launches.get(driver.launches.size() - 1);
        Assert.assertEquals(attend.launch().kernel(), "pbs_attend_wgmma_bf16_d128");
        Assert.assertEquals(attend.parameters(), 4);
        // 2 bytes an element: rows, heads, and the only sequence.
        Assert.assertEquals(driver.maps.get(0).dimensions(), List.of(128L, 1000L, 4L, 1L));
        Assert.assertEquals(driver.maps.get(0).strides(), List.of(256L, 256_000L, 256L));
        Assert.assertEquals(driver.maps.get(1).dimensions().get(1), 1024L, "packed keys");
        Assert.assertEquals(driver.maps.size() % 3, 0);
    }

    @Test
    public void imagesThatDoNotFitAreListed() {
        FakeDriver driver = new FakeDriver().failing("cuModuleLoadDataEx", 1, 222);
        BackendUnavailableException e =
                Assert.expectThrows(
                        BackendUnavailableException.class, () -> openAndRun(driver, everything()));
        Assert.assertTrue(e.getMessage().contains("the fatbin of this build: "), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("(the log)"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("NVRTC: libnvrtc.so is not"), e.getMessage());
        driver.assertNothingHeld();
    }

    @Test
    public void kernelsAreLoadedOnceForManyCalls() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver();
        try (CudaDevice device =
                CudaDevice.open(driver, Fixtures.H100, Fixtures.manifest(), Fixtures.fatbin())) {
            CudaAttention attention = new CudaAttention(device, 64 << 20);
            for (int i = 0; i < 3; ++i) {
                attention.run(Fixtures.call(4, 2, 64, 500, 777), i);
            }
        }
        Assert.assertEquals(driver.count("cuModuleLoadDataEx"), 1);
        Assert.assertEquals(driver.count("cuMemPoolCreate"), 1);
        Assert.assertEquals(driver.count("cuMemAllocFromPoolAsync"), 3);
        driver.assertNothingHeld();
    }
}

package io.pbsattn.backend.cuda;

import io.pbsattn.Backends;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.backend.BackendUnavailableException;
import java.util.Optional;
import org.testng.Assert;
import org.testng.SkipException;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What a machine that cannot run the backend is told, and what it runs then. */
public class CudaProbeTest {

    private interface Change {
        void apply(FakeDriver driver);
    }

    @Test
    public void withoutDriverNoClassOfJCudaIsTouched() {
        BackendUnavailableException e =
                Assert.expectThrows(
                        BackendUnavailableException.class,
                        () -> DriverLibrary.open("libcuda-that-is-not-there.so.1"));
        Assert.assertTrue(
                e.getMessage().startsWith("no NVIDIA driver: libcuda-that-is-not-there.so.1"),
                e.getMessage());
        Assert.assertTrue(e.getMessage().contains("install the driver"), e.getMessage());
    }

    @DataProvider
    public Object[][] unusable() {
        return new Object[][] {
            {change(d -> d.failing("cuInit", 1, 999)), "cuInit", "CUDA_ERROR_999 (999)"},
            {change(d -> d.failing("cuInit", 1, 4321)), "unknown code", "nvidia-smi"},
            {change(d -> d.failing("cuDriverGetVersion", 1, 3)), "cuDriverGetVersion", "(3)"},
            {change(d -> d.driverVersion = 11080), "CUDA 11.8", "update it to one for CUDA 12.0"},
            {change(d -> d.failing("cuDeviceGetCount", 1, 100)), "cuDeviceGetCount", "(100)"},
            {change(d -> d.gpuCount = 0), "no GPU", "CUDA_VISIBLE_DEVICES"},
            {change(d -> d.failing("cuDeviceGet", 1, 101)), "cuDeviceGet", "(101)"},
            {change(d -> d.failing("cuDeviceGetName", 1, 101)), "cuDeviceGetName", "(101)"},
            {change(d -> d.failing("cuDeviceTotalMem", 1, 101)), "cuDeviceTotalMem", "(101)"},
            {change(d -> d.failing("cuDeviceGetAttribute", 4, 1)), "cuDeviceGetAttribute", "(1)"},
            {
                change(
                        d -> {
                            d.major = 7;
                            d.minor = 5;
                            d.gpuName = "Tesla T4";
                        }),
                "Tesla T4, sm_75",
                "compute capability 8.0"
            },
            {change(d -> d.pools = 0), "no stream-ordered memory", "update its driver"},
            {change(d -> d.totalBytes = 512L << 20), "0.5 GiB", "at least 1 GiB"}
        };
    }

    private static Change change(Change change) {
        return change;
    }

    @Test(dataProvider = "unusable")
    public void refusalNamesCauseAndRemedy(Change change, String cause, String remedy) {
        FakeDriver driver = new FakeDriver();
        change.apply(driver);
        BackendUnavailableException e =
                Assert.expectThrows(
                        BackendUnavailableException.class,
                        () -> provider(driver, Optional.empty()).create());
        Assert.assertTrue(e.getMessage().contains(cause), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(remedy), e.getMessage());
        driver.assertNothingHeld();
    }

    @Test
    public void buildWithoutKernelsIsSaid() {
        BackendUnavailableException e =
                Assert.expectThrows(
                        BackendUnavailableException.class,
                        () ->
                                new CudaBackendProvider(
                                                FakeDriver::new,
                                                () -> {
                                                    throw new BackendUnavailableException("none");
                                                },
                                                Optional::empty)
                                        .create());
        Assert.assertEquals(e.getMessage(), "none");
    }

    @Test
    public void libtorchWithoutCudaIsSaidWithTheGpu() {
        BackendUnavailableException e =
                Assert.expectThrows(
                        BackendUnavailableException.class,
                        () -> provider(new FakeDriver(), Optional.of("no CUDA")).create());
        Assert.assertEquals(
                e.getMessage(), "no CUDA (here: GPU 0: NVIDIA H100 80GB HBM3, sm_90, 80.0 GiB)");
    }

    @Test
    public void usableGpuIsNamed() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver();
        CudaBackendProvider provider = provider(driver, Optional.empty());
        Assert.assertEquals(provider.name(), "cuda");
        Assert.assertEquals(
                provider.create().isa(), "GPU 0: NVIDIA H100 80GB HBM3, sm_90, 80.0 GiB");
        Assert.assertEquals(
                driver.count("cuDevicePrimaryCtxRetain"), 0, "a probe takes no memory of the GPU");
    }

    @Test
    public void workspacePropertyIsChecked() {
        System.setProperty(CudaBackendProvider.WORKSPACE_PROPERTY, "-3");
        try {
            BackendUnavailableException e =
                    Assert.expectThrows(
                            BackendUnavailableException.class,
                            () -> provider(new FakeDriver(), Optional.empty()).create());
            Assert.assertTrue(e.getMessage().contains("'-3'"), e.getMessage());
        } finally {
            System.clearProperty(CudaBackendProvider.WORKSPACE_PROPERTY);
        }
    }

    /** On a machine without a usable GPU the automatic choice goes on, and force is an error. */
    @Test
    public void automaticChoiceGoesOnAndForceIsAnError() {
        Backends.BackendStatus cuda =
                Backends.list().stream()
                        .filter(status -> status.name().equals("cuda"))
                        .findFirst()
                        .orElseThrow();
        if (cuda.usable()) {
            throw new SkipException("this machine runs the backend: " + cuda.reason());
        }
        Assert.assertFalse(cuda.reason().isBlank());
        Assert.assertNotEquals(PbsAttention.create(PbsConfig.DEFAULT).backendName(), "cuda");
        IllegalStateException named =
                Assert.expectThrows(
                        IllegalStateException.class,
                        () -> PbsAttention.create(PbsConfig.DEFAULT, "cuda"));
        Assert.assertEquals(
                named.getMessage(), "attention backend 'cuda' cannot run: " + cuda.reason());
        System.setProperty(Backends.FORCE_PROPERTY, "cuda");
        try {
            IllegalStateException forced =
                    Assert.expectThrows(
                            IllegalStateException.class,
                            () -> PbsAttention.create(PbsConfig.DEFAULT));
            Assert.assertEquals(forced.getMessage(), named.getMessage());
        } finally {
            System.clearProperty(Backends.FORCE_PROPERTY);
        }
    }

    private static CudaBackendProvider provider(FakeDriver driver, Optional<String> torch) {
        return new CudaBackendProvider(() -> driver, Fixtures::manifest, () -> torch);
    }
}

package io.pbsattn.backend.cuda;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.torch.TorchType;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.Assert;
import org.testng.annotations.Test;

/** Which calls the backend takes, decided without a GPU. */
public class CudaBackendTest {

    private static final PbsConfig CONFIG = PbsConfig.builder().optMinLength(0).build();

    private final FakeDriver driver = new FakeDriver();
    private final CudaBackend backend = backend(driver, Fixtures.H100);

    @Test
    public void takesArraysOfTheGpu() {
        Assert.assertEquals(backend.refusal(request(Device.gpu(), 128)), Optional.empty());
    }

    @Test
    public void refusesArraysOfTheCpu() {
        Assert.assertEquals(
                backend.refusal(request(Device.cpu(), 128)).orElseThrow(),
                "expected arrays on a GPU, found them on cpu()");
    }

    @Test
    public void cpuBackendRefusesArraysOfTheGpu() {
        NDArray q = array(Device.gpu(), 128);
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () -> PbsAttention.create(CONFIG, "cpu").forward(q, q, q));
        Assert.assertTrue(
                e.getMessage().contains("cpu: expected arrays on the CPU, found them on gpu(0)"),
                e.getMessage());
    }

    @Test
    public void refusesMixedDevicesTypesAndShapes() {
        NDArray here = array(Device.gpu(), 128);
        NDArray there = array(Device.gpu(1), 128);
        refuses("device of q", request(here, there, TorchType.BFLOAT16, CONFIG));
        refuses("found float32", request(here, here, TorchType.FLOAT32, CONFIG));
        refuses("found 80", request(Device.gpu(), 80));
        refuses(
                "blockSize 128, found 64",
                request(
                        here,
                        here,
                        TorchType.FLOAT16,
                        PbsConfig.builder().optBlockSize(64).build()));
        refuses(
                "segmentSize of at most 4096, found 8192",
                request(
                        here,
                        here,
                        TorchType.FLOAT16,
                        PbsConfig.builder().optSegmentSize(8192).build()));
        refuses(
                "no sliding window, found one of 300",
                request(here, here, TorchType.FLOAT16, PbsConfig.builder().optWindow(300).build()));
        refuses("no GPU 1", request(there, there, TorchType.FLOAT16, CONFIG));
    }

    @Test
    public void refusesAnOldGpu() {
        Optional<String> refusal =
                backend(new FakeDriver(), Fixtures.gpu(7, 0)).refusal(request(Device.gpu(), 128));
        Assert.assertTrue(refusal.orElseThrow().contains("too old"), refusal.get());
    }

    /** So that the automatic choice goes on to the next backend. */
    @Test
    public void refusesWhenTheGpuIsFull() {
        FakeDriver full = new FakeDriver();
        full.freeBytes = 1000;
        String refusal = backend(full, Fixtures.H100).refusal(request(Device.gpu(), 128)).get();
        Matcher matcher =
                Pattern.compile("the workspace takes (\\d+) bytes, (\\d+) more .*")
                        .matcher(refusal);
        Assert.assertTrue(matcher.matches(), refusal);
        long bytes = Long.parseLong(matcher.group(1));
        Assert.assertTrue(bytes > 2 * 4 * 768 * 128 * 2, "packed keys and values are counted");
        Assert.assertEquals(Long.parseLong(matcher.group(2)), bytes - 1000);
        Assert.assertTrue(refusal.contains("free some memory"), refusal);
    }

    @Test
    public void refusesWhenTheContextCannotBeMade() {
        FakeDriver full = new FakeDriver().failing("cuDevicePrimaryCtxRetain", 1, 2);
        CudaBackend onFull = backend(full, Fixtures.H100);
        String refusal = onFull.refusal(request(Device.gpu(), 128)).orElseThrow();
        Assert.assertTrue(refusal.contains("cuDevicePrimaryCtxRetain"), refusal);
        Assert.assertTrue(refusal.contains("CUDA_ERROR_OUT_OF_MEMORY (2)"), refusal);
        Assert.assertEquals(
                onFull.refusal(request(Device.gpu(), 128)),
                Optional.empty(),
                "tried again, for memory may have become free");
    }

    @Test
    public void kernelsThatDoNotLoadAreTriedOnce() {
        FakeDriver old = new FakeDriver().failing("cuModuleLoadDataEx", 1, 209);
        CudaBackend onOld = backend(old, Fixtures.H100);
        for (int i = 0; i < 2; ++i) {
            String refusal = onOld.refusal(request(Device.gpu(), 128)).orElseThrow();
            Assert.assertTrue(refusal.contains("libnvrtc.so is not to be found"), refusal);
        }
        Assert.assertEquals(old.count("cuModuleLoadDataEx"), 1);
        old.assertNothingHeld();
    }

    private void refuses(String words, AttentionRequest request) {
        String refusal = backend.refusal(request).orElseThrow();
        Assert.assertTrue(refusal.contains(words), refusal);
    }

    private static CudaBackend backend(FakeDriver driver, Gpu gpu) {
        return new CudaBackend(
                driver,
                List.of(gpu),
                Fixtures.manifest(),
                Fixtures.fatbin(),
                CudaAttention.DEFAULT_BUDGET);
    }

    private static AttentionRequest request(Device device, int headDim) {
        NDArray array = array(device, headDim);
        return request(array, array, TorchType.BFLOAT16, CONFIG);
    }

    private static AttentionRequest request(
            NDArray q, NDArray k, TorchType type, PbsConfig config) {
        return new AttentionRequest(
                q, k, k, type, SequenceLengths.uniform(1, 700, 700), config, null, true, null);
    }

    /** An array that tells shape, type and device, and has no elements. */
    private static NDArray array(Device device, int headDim) {
        return (NDArray)
                Proxy.newProxyInstance(
                        NDArray.class.getClassLoader(),
                        new Class<?>[] {NDArray.class},
                        (proxy, method, args) ->
                                switch (method.getName()) {
                                    case "getShape" -> new Shape(1, 4, 700, headDim);
                                    case "getDevice" -> device;
                                    case "getDataType" -> DataType.FLOAT16;
                                    default ->
                                            throw new AssertionError(method + " is not expected");
                                });
    }
}

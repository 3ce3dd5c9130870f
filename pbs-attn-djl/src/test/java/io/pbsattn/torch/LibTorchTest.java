package io.pbsattn.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.GpuClaim;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Optional;
import org.testng.Assert;
import org.testng.SkipException;
import org.testng.annotations.Test;

public class LibTorchTest {

    @Test
    public void readsTypeStridesAndAddress() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = manager.arange(24f).reshape(2, 3, 4);
            NDArray view = x.swapAxes(1, 2).get("1");
            Assert.assertEquals(LibTorch.get().strides(x), new long[] {12, 4, 1});
            Assert.assertEquals(LibTorch.get().strides(view), new long[] {1, 4});
            Assert.assertEquals(LibTorch.get().type(view), TorchType.FLOAT32);
            long offset = LibTorch.get().dataPointer(view) - LibTorch.get().dataPointer(x);
            Assert.assertEquals(offset, 12 * 4);
            Assert.assertEquals(LibTorch.get().strides(manager.create(1f)), new long[0]);
        }
    }

    @Test
    public void givesNoAddressOfAnotherDevice() {
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
                NDManager gpu = manager.newSubManager(Device.gpu())) {
            NDArray x = manager.create(new float[] {1, 2});
            Assert.assertEquals(LibTorch.get().hostPointer(x).getFloat(4), 2f);
            assertNamesGpu(() -> LibTorch.get().hostPointer(GpuClaim.of(x)));
            ByteBuffer memory = ByteBuffer.allocateDirect(8);
            assertNamesGpu(() -> LibTorch.get().wrap(gpu, memory, new Shape(2), TorchType.FLOAT32));
        }
    }

    private static void assertNamesGpu(Assert.ThrowingRunnable call) {
        IllegalArgumentException e = Assert.expectThrows(IllegalArgumentException.class, call);
        Assert.assertTrue(e.getMessage().contains("gpu(0)"), e.getMessage());
    }

    @Test
    public void bfloat16RoundsToNearestEven() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            // 1 + 2^-8 lies between two bfloat16 numbers and goes to the even one, as does 1 + 3 *
            // 2^-8.
            float step = 1f / 256;
            NDArray x = manager.create(new float[] {1, 1 + step, 1 + 3 * step, -2.5f});
            NDArray half = LibTorch.get().toType(manager, x, TorchType.BFLOAT16);
            Assert.assertEquals(half.getDataType(), DataType.UNKNOWN);
            Assert.assertEquals(TorchType.of(half), TorchType.BFLOAT16);
            NDArray back = LibTorch.get().toType(manager, half, TorchType.FLOAT32);
            Assert.assertEquals(back.toFloatArray(), new float[] {1, 1, 1 + 4 * step, -2.5f});
        }
    }

    @Test
    public void wrapsForeignMemoryWithoutACopy() {
        ByteBuffer memory = ByteBuffer.allocateDirect(6 * 4 + 4).order(ByteOrder.nativeOrder());
        memory.position(4);
        FloatBuffer floats = memory.slice().order(ByteOrder.nativeOrder()).asFloatBuffer();
        floats.put(new float[] {1, 2, 3, 4, 5, 6});
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = LibTorch.get().wrap(manager, memory, new Shape(2, 3), TorchType.FLOAT32);
            floats.put(5, 60f);
            Assert.assertEquals(x.toFloatArray(), new float[] {1, 2, 3, 4, 5, 60});
            Assert.expectThrows(
                    IllegalArgumentException.class,
                    () -> LibTorch.get().wrap(manager, memory, new Shape(7), TorchType.FLOAT32));
            Assert.expectThrows(
                    IllegalArgumentException.class,
                    () ->
                            LibTorch.get()
                                    .wrap(
                                            manager,
                                            ByteBuffer.allocate(24),
                                            new Shape(6),
                                            TorchType.FLOAT32));
        }
    }

    @Test
    public void callsAnyOperator() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = manager.create(new float[] {1, 2, 3, 4}, new Shape(2, 2));
            NDArray w = manager.create(new float[] {1, 1, 0, 2}, new Shape(2, 2));
            NDArray y = LibTorch.get().call(manager, "aten::linear", "", 1, x, w, null)[0];
            Assert.assertEquals(y.toFloatArray(), new float[] {3, 4, 7, 8});
            NDArray bias = manager.create(new float[] {10, 20});
            for (int i = 0; i < 1000; ++i) {
                try (NDArray biased = linear(manager, x, w, Optional.of(bias))) {
                    Assert.assertEquals(biased.toFloatArray(), new float[] {13, 24, 17, 28});
                }
            }
            NDArray plain = linear(manager, x, w, Optional.empty());
            Assert.assertEquals(plain.toFloatArray(), new float[] {3, 4, 7, 8});
            Assert.assertEquals(bias.toFloatArray(), new float[] {10, 20}, "arguments stay open");
            Assert.assertEquals(x.toFloatArray(), new float[] {1, 2, 3, 4}, "arguments stay open");
            Assert.expectThrows(
                    IllegalArgumentException.class,
                    () -> LibTorch.get().call(manager, "aten::linear", "", 1, x, w, "bias"));
        }
    }

    private static NDArray linear(NDManager manager, NDArray x, NDArray w, Object bias) {
        return LibTorch.get().call(manager, "aten::linear", "", 1, x, w, bias)[0];
    }

    @Test
    public void buildWithoutCudaSaysSoAndHasNoStream() {
        String refusal =
                LibTorch.get()
                        .cudaRefusal()
                        .orElseThrow(() -> new SkipException("libtorch is built with CUDA here"));
        Assert.assertTrue(refusal.contains("built without CUDA"), refusal);
        Assert.assertTrue(refusal.contains("PYTORCH_FLAVOR=cu128"), refusal);
        for (int i = 0; i < 2; ++i) { // the library is looked for once, and the reason stays
            IllegalStateException e =
                    Assert.expectThrows(
                            IllegalStateException.class, () -> LibTorch.get().currentCudaStream(0));
            Assert.assertEquals(e.getMessage(), refusal);
        }
    }

    @Test
    public void foreignEngineIsRefused() {
        Assert.expectThrows(IllegalArgumentException.class, () -> TorchType.parse("float8"));
        Assert.assertEquals(TorchType.parse("BFloat16"), TorchType.BFLOAT16);
    }
}

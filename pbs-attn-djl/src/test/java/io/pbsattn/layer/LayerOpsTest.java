package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.GpuClaim;
import io.pbsattn.kernels.NativeKernels;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Operations in bfloat16 against those in float32 on the same numbers, which bfloat16 holds. */
public class LayerOpsTest {

    /** Half a unit in the last place of bfloat16, and a little for float32's sums. */
    private static final double TOLERANCE = 0.5 / 128 + 1e-4;

    private static final int WIDTH = 96;
    private static final int OUT = 130;

    private final LayerOps half = LayerOps.of(TorchType.BFLOAT16);
    private final LayerOps full = LayerOps.of(TorchType.FLOAT32);
    private NDManager manager;

    @BeforeMethod
    public void open() {
        manager = NDManager.newBaseManager("PyTorch");
        manager.getEngine().setRandomSeed(5);
    }

    @AfterMethod
    public void close() {
        manager.close();
    }

    @DataProvider
    public Object[][] rows() {
        return new Object[][] {{1}, {4}, {5}, {127}, {257}};
    }

    @Test(dataProvider = "rows")
    public void linearLayersAgree(int rows) {
        Pair x = random(rows, WIDTH);
        Pair weight = random(OUT, WIDTH);
        Pair other = random(OUT - 1, WIDTH);
        NDArray y = empty(TorchType.BFLOAT16, rows, OUT);
        NDArray logits = empty(TorchType.FLOAT32, rows, OUT - 1);
        half.linear(x.half, List.of(weight.halfLayer(), other.halfLayer()), List.of(y, logits));
        NDArray expected = empty(TorchType.FLOAT32, rows, OUT);
        NDArray expectedLogits = empty(TorchType.FLOAT32, rows, OUT - 1);
        full.linear(
                x.full,
                List.of(weight.fullLayer(), other.fullLayer()),
                List.of(expected, expectedLogits));
        assertClose(y, expected);
        assertClose(logits, expectedLogits);

        NDArray sum = expected.duplicate(); // so that nothing cancels
        half.addLinear(x.half, weight.halfLayer(), sum);
        assertClose(sum, expected.mul(2));
    }

    @Test(dataProvider = "rows")
    public void biasesAreAdded(int rows) {
        Pair x = random(rows, WIDTH);
        Pair weight = random(OUT, WIDTH);
        Pair bias = random(1, OUT);
        Linear halfLayer = new Linear(weight.half, bias.half.reshape(OUT));
        Linear fullLayer = new Linear(weight.full, bias.full.reshape(OUT));
        NDArray plain = empty(TorchType.FLOAT32, rows, OUT);
        full.linear(x.full, List.of(weight.fullLayer()), List.of(plain));
        NDArray expected = plain.add(bias.full);

        NDArray floats = empty(TorchType.FLOAT32, rows, OUT);
        full.linear(x.full, List.of(fullLayer), List.of(floats));
        assertClose(floats, expected);
        NDArray y = empty(TorchType.BFLOAT16, rows, OUT);
        half.linear(x.half, List.of(halfLayer), List.of(y));
        assertClose(y, expected);

        for (boolean isHalf : new boolean[] {true, false}) {
            NDArray sum = expected.duplicate(); // so that nothing cancels
            if (isHalf) {
                half.addLinear(x.half, halfLayer, sum);
            } else {
                full.addLinear(x.full, fullLayer, sum);
            }
            assertClose(sum, expected.mul(2));
        }

        NDArray gated = empty(TorchType.FLOAT32, rows, OUT);
        full.gated(x.full, fullLayer, fullLayer, gated);
        NDArray sigmoid = expected.neg().exp().add(1).pow(-1);
        assertClose(gated, expected.mul(expected).mul(sigmoid));
        NDArray halfGated = empty(TorchType.BFLOAT16, rows, OUT);
        half.gated(x.half, halfLayer, halfLayer, halfGated);
        assertClose(halfGated, gated, 4 * TOLERANCE);
    }

    @Test(dataProvider = "rows")
    public void gateAndNormAgree(int rows) {
        Pair x = random(rows, WIDTH);
        Pair gate = random(OUT, WIDTH);
        Pair up = random(OUT, WIDTH);
        NDArray y = empty(TorchType.BFLOAT16, rows, OUT);
        NDArray expected = empty(TorchType.FLOAT32, rows, OUT);
        half.gated(x.half, gate.halfLayer(), up.halfLayer(), y);
        full.gated(x.full, gate.fullLayer(), up.fullLayer(), expected);
        // libtorch's products are rounded before they meet, those of the kernels are not.
        boolean isRounded = rows > NativeKernels.get().maxLinearRows();
        assertClose(y, expected, isRounded ? 4 * TOLERANCE : TOLERANCE);

        NDArray weight = manager.randomNormal(new Shape(WIDTH));
        NDArray normed = empty(TorchType.BFLOAT16, rows, WIDTH);
        NDArray expectedNormed = empty(TorchType.FLOAT32, rows, WIDTH);
        half.normalize(x.full, weight, 1e-5, normed);
        full.normalize(x.full, weight, 1e-5, expectedNormed);
        assertClose(normed, expectedNormed);
    }

    /** Heads that lie side by side in a row, as linear layers leave them. */
    @Test
    public void rotationAgrees() {
        int rows = 70;
        Pair x = random(rows, 3 * 32);
        NDArray angles = manager.randomNormal(new Shape(rows, 16));
        NDArray y = empty(TorchType.BFLOAT16, 3, rows, 32);
        NDArray expected = empty(TorchType.FLOAT32, 3, rows, 32);
        half.rotate(heads(x.half, 32), angles.cos(), angles.sin(), y);
        full.rotate(heads(x.full, 32), angles.cos(), angles.sin(), expected);
        assertClose(y, expected);
        NDArray inPlace = heads(x.half, 32);
        half.rotate(inPlace, angles.cos(), angles.sin(), inPlace);
        assertClose(inPlace, expected);
    }

    /** A cache that has room for more keys than are in it. */
    @Test
    public void singleRowsAgree() {
        for (int keys : new int[] {1, 127, 1025, 3000}) {
            Pair q = random(2 * 6, 64);
            Pair k = random(2 * 3 * 3001, 64);
            Pair v = random(2 * 3 * 3001, 64);
            Shape queries = new Shape(2, 6, 1, 64);
            Shape cache = new Shape(2, 3, 3001, 64);
            NDIndex seen = new NDIndex(":, :, :{}", keys);
            NDArray found =
                    half.attendRow(
                            q.half.reshape(queries),
                            k.half.reshape(cache).get(seen),
                            v.half.reshape(cache).get(seen),
                            0.125);
            NDArray expected =
                    full.attendRow(
                            q.full.reshape(queries),
                            k.full.reshape(cache).get(seen),
                            v.full.reshape(cache).get(seen),
                            0.125);
            assertClose(found, expected);
        }
    }

    @Test
    public void badInputIsNamed() {
        NDArray x = random(3, WIDTH).half;
        Linear narrow = random(OUT, WIDTH - 1).halfLayer();
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () ->
                                half.linear(
                                        x,
                                        List.of(narrow),
                                        List.of(empty(TorchType.BFLOAT16, 3, OUT))));
        Assert.assertTrue(e.getMessage().contains("weights[0].cols"), e.getMessage());
        IllegalArgumentException type =
                Assert.expectThrows(
                        IllegalArgumentException.class, () -> LayerOps.of(TorchType.FLOAT16));
        Assert.assertTrue(type.getMessage().contains("float16"), type.getMessage());
    }

    @DataProvider
    public Object[][] typeTable() {
        return new Object[][] {
            {"amx_bf16", TorchType.BFLOAT16, TorchType.BFLOAT16},
            {"avx512_bf16", TorchType.BFLOAT16, TorchType.BFLOAT16},
            {"avx512", TorchType.BFLOAT16, TorchType.FLOAT32},
            {"avx2", TorchType.BFLOAT16, TorchType.FLOAT32},
            {"scalar", TorchType.BFLOAT16, TorchType.FLOAT32},
            {"neon", TorchType.BFLOAT16, TorchType.FLOAT32},
            {"", TorchType.BFLOAT16, TorchType.FLOAT32},
            {"amx_bf16", TorchType.FLOAT16, TorchType.FLOAT32},
            {"amx_bf16", TorchType.FLOAT32, TorchType.FLOAT32},
            {"amx_bf16", TorchType.FLOAT64, TorchType.FLOAT32},
            {"avx2", TorchType.FLOAT32, TorchType.FLOAT32},
        };
    }

    @Test(dataProvider = "typeTable")
    public void typeFollowsFromATable(String isa, TorchType stored, TorchType expected) {
        Assert.assertEquals(TypeChoice.of(stored, isa), expected);
        if (isa.equals(NativeKernels.get().isa())) {
            Assert.assertEquals(LayerOps.bestType(stored), expected);
        }
    }

    /** Each operand in turn claims to be on a GPU; none of them may reach C. */
    @Test
    public void arraysOfOtherDevicesAreRefused() {
        NDArray x = empty(TorchType.BFLOAT16, 3, WIDTH);
        NDArray floats = empty(TorchType.FLOAT32, 3, WIDTH);
        NDArray norm = empty(TorchType.FLOAT32, WIDTH);
        NDArray weight = empty(TorchType.BFLOAT16, OUT, WIDTH);
        NDArray bias = empty(TorchType.BFLOAT16, OUT);
        NDArray y = empty(TorchType.BFLOAT16, 3, OUT);
        NDArray sum = empty(TorchType.FLOAT32, 3, OUT);
        Linear layer = new Linear(weight, bias);
        Linear weightOnGpu = new Linear(GpuClaim.of(weight), bias);
        Linear biasOnGpu = new Linear(weight, GpuClaim.of(bias));
        assertRefused(() -> half.linear(GpuClaim.of(x), List.of(layer), List.of(y)));
        assertRefused(() -> half.linear(x, List.of(weightOnGpu), List.of(y)));
        assertRefused(() -> half.linear(x, List.of(biasOnGpu), List.of(y)));
        assertRefused(() -> half.linear(x, List.of(layer), List.of(GpuClaim.of(y))));
        assertRefused(() -> half.addLinear(x, layer, GpuClaim.of(sum)));
        assertRefused(() -> half.gated(x, layer, weightOnGpu, y));
        assertRefused(() -> half.normalize(GpuClaim.of(floats), norm, 1e-5, x));
        assertRefused(() -> half.normalize(floats, GpuClaim.of(norm), 1e-5, x));
        assertRefused(() -> half.normalize(floats, norm, 1e-5, GpuClaim.of(x)));

        NDArray heads = empty(TorchType.BFLOAT16, 2, 3, 32);
        NDArray table = empty(TorchType.FLOAT32, 3, 16);
        assertRefused(() -> half.rotate(GpuClaim.of(heads), table, table, heads));
        assertRefused(() -> half.rotate(heads, GpuClaim.of(table), table, heads));
        assertRefused(() -> half.rotate(heads, table, GpuClaim.of(table), heads));
        assertRefused(() -> half.rotate(heads, table, table, GpuClaim.of(heads)));
        assertRefused(() -> HugePages.advise(GpuClaim.of(x)));
    }

    private static void assertRefused(Assert.ThrowingRunnable call) {
        IllegalArgumentException e = Assert.expectThrows(IllegalArgumentException.class, call);
        Assert.assertTrue(e.getMessage().contains("gpu(0)"), e.getMessage());
    }

    private record Pair(NDArray half, NDArray full) {

        Linear halfLayer() {
            return new Linear(half, null);
        }

        Linear fullLayer() {
            return new Linear(full, null);
        }
    }

    private Pair random(long rows, long cols) {
        NDArray half =
                LibTorch.get()
                        .toType(
                                manager,
                                manager.randomNormal(new Shape(rows, cols)),
                                TorchType.BFLOAT16);
        return new Pair(half, LibTorch.get().toType(manager, half, TorchType.FLOAT32));
    }

    private NDArray empty(TorchType type, long... shape) {
        return LibTorch.get().empty(manager, new Shape(shape), type);
    }

    private static NDArray heads(NDArray rows, int headDim) {
        return rows.reshape(rows.getShape().get(0), -1, headDim).swapAxes(0, 1);
    }

    private void assertClose(NDArray found, NDArray expected) {
        assertClose(found, expected, TOLERANCE);
    }

    private void assertClose(NDArray found, NDArray expected, double tolerance) {
        Assert.assertEquals(found.getShape(), expected.getShape());
        NDArray floats = LibTorch.get().toType(manager, found, TorchType.FLOAT32);
        NDArray error = floats.sub(expected).abs();
        // Relative to each element, but no stricter than for one a hundredth of the largest.
        NDArray size = expected.abs().maximum(expected.abs().max().mul(0.01));
        float worst = error.div(size).max().getFloat();
        Assert.assertTrue(worst <= tolerance, "relative error " + worst);
    }
}

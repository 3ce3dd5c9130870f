package io.pbsattn.torchscript;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class CausalMaskTest {

    /** Element type and the number that masks; NaN for masks of flags. */
    @DataProvider
    public Object[][] kinds() {
        return new Object[][] {
            {TorchType.BOOLEAN, Double.NaN},
            {TorchType.FLOAT32, Double.NEGATIVE_INFINITY},
            {TorchType.FLOAT32, (double) -Float.MAX_VALUE},
            {TorchType.FLOAT32, -1e9},
            {TorchType.BFLOAT16, Double.NEGATIVE_INFINITY},
            {TorchType.BFLOAT16, -3.3895313892515355e38},
            {TorchType.BFLOAT16, -1e9},
            {TorchType.FLOAT16, Double.NEGATIVE_INFINITY},
            {TorchType.FLOAT16, -65504.0},
        };
    }

    @Test(dataProvider = "kinds")
    public void recognisesCausalMasksAndNothingNearThem(TorchType type, double masked) {
        Random random = new Random(5);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            for (int seqlenQ : new int[] {2, 3, 127, 128, 129}) {
                for (CausalSpan span : spans(seqlenQ)) {
                    int seqlenK = span.firstKey() + span.keys() + random.nextInt(3);
                    boolean[][] allowed = allowed(span, seqlenQ, seqlenK);
                    Optional<List<CausalSpan>> found =
                            read(manager, allowed, type, masked, seqlenQ, seqlenK);
                    Assert.assertEquals(found, Optional.of(List.of(span)), span.toString());
                    // One element that is turned makes it another mask. Beside the corners of the
                    // triangle it may still be a causal one, of other lengths.
                    int i = span.firstQuery() + span.queries() / 2;
                    int j = span.firstKey() + random.nextInt(Math.max(1, span.keys() / 4));
                    allowed[i][j] ^= true;
                    Optional<List<CausalSpan>> other =
                            read(manager, allowed, type, masked, seqlenQ, seqlenK);
                    Assert.assertNotEquals(other, found, span + " turned at " + i + ", " + j);
                    other.ifPresent(
                            s -> Assert.assertEquals(allowed(s.get(0), seqlenQ, seqlenK), allowed));
                }
            }
        }
    }

    private static List<CausalSpan> spans(int seqlenQ) {
        return List.of(
                new CausalSpan(0, seqlenQ, 0, seqlenQ),
                // The end of a longer sequence.
                new CausalSpan(0, seqlenQ, 0, seqlenQ + 31),
                // Keys before the sequence that are not its own.
                new CausalSpan(0, seqlenQ, 5, seqlenQ + 31),
                // Padding after, and before.
                new CausalSpan(0, Math.max(2, seqlenQ / 2), 0, Math.max(2, seqlenQ / 2)),
                new CausalSpan(seqlenQ / 2, seqlenQ - seqlenQ / 2, 9, seqlenQ - seqlenQ / 2));
    }

    private static boolean[][] allowed(CausalSpan span, int seqlenQ, int seqlenK) {
        boolean[][] allowed = new boolean[seqlenQ][seqlenK];
        int end = span.firstKey() + span.keys();
        for (int i = span.firstQuery(); i < seqlenQ; ++i) {
            int last = end - span.queries() + i - span.firstQuery();
            for (int j = span.firstKey(); j <= Math.min(last, end - 1); ++j) {
                allowed[i][j] = true;
            }
        }
        return allowed;
    }

    private static Optional<List<CausalSpan>> read(
            NDManager manager,
            boolean[][] allowed,
            TorchType type,
            double masked,
            int seqlenQ,
            int seqlenK) {
        NDArray mask = mask(manager, allowed, type, masked);
        return CausalMask.read(mask, 1, 2, seqlenQ, seqlenK);
    }

    private static NDArray mask(
            NDManager manager, boolean[][] allowed, TorchType type, double masked) {
        int rows = allowed.length;
        int columns = allowed[0].length;
        float[] numbers = new float[rows * columns];
        for (int i = 0; i < rows; ++i) {
            for (int j = 0; j < columns; ++j) {
                boolean isFlag = type == TorchType.BOOLEAN;
                numbers[i * columns + j] =
                        allowed[i][j] ? (isFlag ? 1 : 0) : (isFlag ? 0 : (float) masked);
            }
        }
        NDArray floats = manager.create(numbers, new Shape(1, 1, rows, columns));
        return LibTorch.get().toType(manager, floats, type);
    }

    @Test
    public void readsMasksOfAnyRankAndStride() {
        int n = 70;
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray lower =
                    manager.arange(n)
                            .expandDims(1)
                            .broadcast(n, n)
                            .gte(manager.arange(n).expandDims(0).broadcast(n, n));
            List<CausalSpan> three = Collections.nCopies(3, new CausalSpan(0, n, 0, n));
            NDArray upper =
                    lower.logicalNot().logicalOr(manager.eye(n).toType(DataType.BOOLEAN, false));
            for (NDArray mask :
                    new NDArray[] {
                        lower,
                        lower.expandDims(0),
                        lower.reshape(1, 1, n, n).broadcast(3, 1, n, n),
                        lower.reshape(1, 1, n, n).broadcast(3, 4, n, n),
                        lower.reshape(1, 1, n, n).repeat(1, 4),
                        // Rows whose elements do not lie side by side.
                        upper.swapAxes(0, 1),
                    }) {
                Assert.assertEquals(
                        CausalMask.read(mask, 3, 4, n, n),
                        Optional.of(three),
                        "" + mask.getShape());
            }
        }
    }

    @Test
    public void mixedZerosAndMaskingNumbersAreOneMask() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            float min = -Float.MAX_VALUE;
            float inf = Float.NEGATIVE_INFINITY;
            NDArray mask =
                    manager.create(
                            new float[] {-0f, min, inf, 0, -0f, min, -0f, 0, -0f}, new Shape(3, 3));
            Assert.assertEquals(
                    CausalMask.read(mask, 1, 1, 3, 3),
                    Optional.of(List.of(new CausalSpan(0, 3, 0, 3))));
        }
    }

    @Test
    public void refusesOtherMasks() {
        int n = 64;
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray ones = manager.ones(new Shape(n, n));
            NDArray lower =
                    mask(
                                    manager,
                                    allowed(new CausalSpan(0, n, 0, n), n, n),
                                    TorchType.FLOAT32,
                                    Double.NEGATIVE_INFINITY)
                            .reshape(n, n);
            NDArray window = mask(manager, window(n, 20), TorchType.BOOLEAN, Double.NaN);
            NDArray weak =
                    mask(
                            manager,
                            allowed(new CausalSpan(0, n, 0, n), n, n),
                            TorchType.FLOAT32,
                            -10_000);
            NDArray keys = manager.arange(n).lt(40).reshape(1, 1, 1, n);
            NDArray perHead = lower.reshape(1, 1, n, n).repeat(1, 2);
            perHead.set(new NDIndex("0, 1, 5, 3"), -1f);
            for (NDArray mask :
                    new NDArray[] {
                        ones.toType(DataType.BOOLEAN, false), // everybody sees everything
                        ones.mul(0).toType(DataType.BOOLEAN, false), // nobody sees anything
                        keys, // which keys are padding, and no more
                        keys.broadcast(1, 1, n, n),
                        window,
                        weak, // a large logit would outweigh it
                        lower.add(manager.arange(n).neg().reshape(1, n)), // ALiBi
                        lower.add(Float.NaN),
                        perHead,
                        lower.toType(DataType.FLOAT64, false),
                    }) {
                Assert.assertEquals(CausalMask.read(mask, 1, 2, n, n), Optional.empty());
            }
        }
    }

    private static boolean[][] window(int n, int width) {
        boolean[][] allowed = new boolean[n][n];
        for (int i = 0; i < n; ++i) {
            for (int j = Math.max(0, i - width + 1); j <= i; ++j) {
                allowed[i][j] = true;
            }
        }
        return allowed;
    }
}

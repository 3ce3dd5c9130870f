package io.pbsattn.block;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.pbsattn.Arrays4;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class DenseAttentionTest {

    private static final int LENGTH = 301;

    @DataProvider
    public Object[][] suffixes() {
        return new Object[][] {{1}, {2}, {100}, {257}, {300}};
    }

    /**
     * A suffix of the queries gets the rows that the whole prompt got from PyTorch's own operator.
     */
    @Test(dataProvider = "suffixes")
    public void suffixEqualsTheWhole(int seqlenQ) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(7);
            NDArray q = Arrays4.normal(manager, random, 2, 6, LENGTH, 32);
            NDArray k = Arrays4.normal(manager, random, 2, 2, LENGTH, 32);
            NDArray v = Arrays4.normal(manager, random, 2, 2, LENGTH, 32);
            for (double scale : new double[] {1 / Math.sqrt(32), 0.4}) {
                NDIndex last = new NDIndex(":, :, {}:", LENGTH - seqlenQ);
                NDArray expected = DenseAttention.forward(q, k, v, scale).get(last);
                NDArray found = DenseAttention.forward(q.get(last), k, v, scale);
                Assert.assertEquals(found.getShape(), expected.getShape());
                Assert.assertTrue(Arrays4.maxError(found, expected) <= 1e-12);
            }
        }
    }

    @DataProvider
    public Object[][] windows() {
        // seqlenQ, window
        return new Object[][] {
            {LENGTH, 1}, {LENGTH, 2}, {LENGTH, 64}, {LENGTH, 300}, {LENGTH, 301}, {LENGTH, 999},
            {1, 1}, {1, 50}, {1, 301}, {100, 7}, {100, 250}, {257, 64}
        };
    }

    /** Each row is the attention of a single query to the keys of its window. */
    @Test(dataProvider = "windows")
    public void windowIsTheLastKeys(int seqlenQ, int window) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(8);
            NDArray q = Arrays4.normal(manager, random, 2, 4, seqlenQ, 32);
            NDArray k = Arrays4.normal(manager, random, 2, 2, LENGTH, 32);
            NDArray v = Arrays4.normal(manager, random, 2, 2, LENGTH, 32);
            NDArray found = DenseAttention.forward(q, k, v, 0.3, window);
            Assert.assertEquals(found.getShape(), q.getShape());
            for (int row = 0; row < seqlenQ; ++row) {
                int end = LENGTH - seqlenQ + row + 1;
                NDIndex one = new NDIndex(":, :, {}:{}", row, row + 1);
                NDIndex seen = new NDIndex(":, :, {}:{}", Math.max(0, end - window), end);
                NDArray keys = k.get(seen).repeat(1, 2);
                NDArray weights = q.get(one).matMul(keys.swapAxes(2, 3)).mul(0.3).softmax(-1);
                NDArray expected = weights.matMul(v.get(seen).repeat(1, 2));
                Assert.assertTrue(Arrays4.maxError(found.get(one), expected) <= 1e-12);
            }
        }
    }

    /** Each of the three ways, in the types that PyTorch itself does not ask DJL for. */
    @Test
    public void halfPrecisionRunsToo() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(9);
            NDArray q = Arrays4.normal(manager, random, 2, 4, LENGTH, 32);
            NDArray k = Arrays4.normal(manager, random, 2, 2, LENGTH, 32);
            for (TorchType type : List.of(TorchType.BFLOAT16, TorchType.FLOAT16)) {
                NDArray halfQ = LibTorch.get().toType(manager, q, type);
                NDArray halfK = LibTorch.get().toType(manager, k, type);
                for (int seqlenQ : new int[] {LENGTH, 100, 1}) {
                    for (int window : new int[] {0, 64}) {
                        NDIndex last = new NDIndex(":, :, {}:", LENGTH - seqlenQ);
                        NDArray expected = DenseAttention.forward(q.get(last), k, k, 0.3, window);
                        NDArray found =
                                DenseAttention.forward(halfQ.get(last), halfK, halfK, 0.3, window);
                        Assert.assertEquals(TorchType.of(found), type);
                        NDArray wide = LibTorch.get().toType(manager, found, TorchType.FLOAT32);
                        Assert.assertTrue(
                                Arrays4.frobeniusError(wide, expected) < 0.02,
                                type + " " + seqlenQ + " " + window);
                    }
                }
            }
        }
    }

    @Test
    public void negativeWindowIsRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray q = Arrays4.normal(manager, new Random(7), 1, 1, 5, 8);
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> DenseAttention.forward(q, q, q, 1, -1));
            Assert.assertTrue(e.getMessage().contains("window"), e.getMessage());
        }
    }

    @Test
    public void shapesThatDoNotFitAreRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray q = Arrays4.normal(manager, new Random(7), 1, 3, 5, 8);
            NDArray k = Arrays4.normal(manager, new Random(7), 1, 2, 5, 8);
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> DenseAttention.forward(q, k, k, 1));
            Assert.assertTrue(e.getMessage().contains("(1, 3, 5, 8)"), e.getMessage());
        }
    }
}

package io.pbsattn.block;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.pbsattn.Arrays4;
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

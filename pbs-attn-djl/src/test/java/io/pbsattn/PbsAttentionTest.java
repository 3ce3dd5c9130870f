package io.pbsattn;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import io.pbsattn.block.DenseAttention;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/**
 * Compares backends with each other and with plain attention on what the golden data does not hold.
 */
public class PbsAttentionTest {

    private static final long SEED = 20251021;

    /** Skips blocks of short sequences too. */
    private static final PbsConfig SHORT = PbsConfig.builder().optMinLength(0).build();

    @DataProvider
    public Object[][] backends() {
        return Backed.names().stream().map(name -> new Object[] {name}).toArray(Object[][]::new);
    }

    @DataProvider
    public Object[][] odd() {
        // seqlenQ, seqlenK, headDim, numQHeads, numKvHeads
        int[][] shapes = {
            {1, 1, 32, 1, 1},
            {127, 127, 64, 2, 1},
            {128, 128, 96, 1, 1},
            {129, 129, 80, 3, 3},
            {255, 255, 64, 2, 2},
            {256, 256, 128, 1, 1},
            {257, 257, 64, 7, 1},
            {1000, 1000, 96, 7, 1},
            {777, 777, 256, 2, 1},
            {1, 900, 64, 2, 1},
            {100, 1000, 64, 2, 1},
            {257, 1031, 128, 2, 1},
            {600, 2047, 64, 4, 2},
            {130, 511, 33, 2, 2}
        };
        return Backed.names().stream()
                .flatMap(
                        name ->
                                java.util.Arrays.stream(shapes)
                                        .map(
                                                s ->
                                                        new Object[] {
                                                            name, s[0], s[1], s[2], s[3], s[4]
                                                        }))
                .toArray(Object[][]::new);
    }

    /** With every block kept it is causal attention, whatever the lengths. */
    @Test(dataProvider = "odd")
    public void denseEqualsPlainAttention(
            String backend, int seqlenQ, int seqlenK, int headDim, int qHeads, int kvHeads) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(SEED);
            NDArray q = Arrays4.normal(manager, random, 1, qHeads, seqlenQ, headDim);
            NDArray k = Arrays4.normal(manager, random, 1, kvHeads, seqlenK, headDim);
            NDArray v = Arrays4.normal(manager, random, 1, kvHeads, seqlenK, headDim);
            NDArray expected = DenseAttention.forward(q, k, v, 1 / Math.sqrt(headDim));
            AttentionOutput found =
                    PbsAttention.create(PbsConfig.DENSE, backend)
                            .forward(float32(q), float32(k), float32(v));
            Assert.assertTrue(Arrays4.maxError(found.o(), expected) <= 1e-5);
            Assert.assertEquals(found.report().density(), 1.0);
        }
    }

    /** The sparse result is what the reference gives in float64. */
    @Test(dataProvider = "odd")
    public void sparseEqualsReference(
            String backend, int seqlenQ, int seqlenK, int headDim, int qHeads, int kvHeads) {
        for (KeyOrder keyOrder : KeyOrder.values()) {
            PbsConfig config =
                    PbsConfig.builder()
                            .optThreshold(0.6)
                            .optKeyOrder(keyOrder)
                            .optMinLength(0)
                            .build();
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                Random random = new Random(SEED + seqlenQ);
                NDArray q = Arrays4.normal(manager, random, 1, qHeads, seqlenQ, headDim);
                NDArray k = Arrays4.normal(manager, random, 1, kvHeads, seqlenK, headDim);
                NDArray v = Arrays4.normal(manager, random, 1, kvHeads, seqlenK, headDim);
                q = float32(q);
                k = float32(k);
                v = float32(v);
                AttentionOutput expected =
                        PbsAttention.create(config, "reference")
                                .forward(float64(q), float64(k), float64(v));
                AttentionOutput found = PbsAttention.create(config, backend).forward(q, k, v);
                Assert.assertEquals(found.report().keptBlocks(), expected.report().keptBlocks());
                Assert.assertTrue(Arrays4.maxError(found.o(), expected.o()) <= 1e-5);
                Assert.assertTrue(Arrays4.maxError(found.lse(), expected.lse()) <= 1e-5);
            }
        }
    }

    /** Inside a window attention is dense, and only the blocks that it reaches are computed. */
    @Test(dataProvider = "odd")
    public void windowEqualsPlainAttention(
            String backend, int seqlenQ, int seqlenK, int headDim, int qHeads, int kvHeads) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(SEED);
            NDArray q = Arrays4.normal(manager, random, 2, qHeads, seqlenQ, headDim);
            NDArray k = Arrays4.normal(manager, random, 2, kvHeads, seqlenK, headDim);
            NDArray v = Arrays4.normal(manager, random, 2, kvHeads, seqlenK, headDim);
            for (int window : new int[] {1, 100, 128, seqlenK - 1}) {
                if (window > 0 && window < seqlenK) {
                    PbsConfig config = SHORT.toBuilder().optWindow(window).build();
                    NDArray expected =
                            DenseAttention.forward(q, k, v, 1 / Math.sqrt(headDim), window);
                    AttentionOutput found =
                            PbsAttention.create(config, backend)
                                    .forward(float32(q), float32(k), float32(v));
                    Assert.assertTrue(Arrays4.maxError(found.o(), expected) <= 1e-5);
                    Assert.assertEquals(found.report().density(), 1.0);
                    long rows = 2L * qHeads * ((seqlenQ + 127) / 128);
                    Assert.assertTrue(found.report().keptBlocks() <= rows * (window / 128 + 3));
                }
            }
        }
    }

    /** A window that no sequence is longer than leaves the call as it is, permuted and sparse. */
    @Test(dataProvider = "backends")
    public void windowCountsForEachSequence(String backend) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(SEED);
            NDArray q = float32(Arrays4.normal(manager, random, 2, 2, 1500, 32));
            NDArray k = float32(Arrays4.normal(manager, random, 2, 1, 1500, 32));
            NDArray v = float32(Arrays4.normal(manager, random, 2, 1, 1500, 32));
            SequenceLengths lengths =
                    new SequenceLengths(new int[] {1500, 1000}, new int[] {1500, 1000});
            PbsConfig windowed = SHORT.toBuilder().optWindow(1000).build();
            AttentionOutput found =
                    PbsAttention.create(windowed, backend).forward(q, k, v, lengths);
            NDArray inWindow =
                    DenseAttention.forward(
                            float64(q), float64(k), float64(v), 1 / Math.sqrt(32), 1000);
            AttentionOutput sparse = PbsAttention.create(SHORT, backend).forward(q, k, v, lengths);
            NDIndex first = new NDIndex("0");
            NDIndex second = new NDIndex("1, :, :1000");
            Assert.assertTrue(Arrays4.maxError(found.o().get(first), inWindow.get(first)) <= 1e-5);
            Assert.assertEquals(
                    Arrays4.maxError(found.o().get(second), sparse.o().get(second)), 0.0);
        }
    }

    /** From minLength keys on blocks are skipped, and not before; each sequence for itself. */
    @Test(dataProvider = "backends")
    public void shortSequencesAreDense(String backend) {
        PbsConfig config = PbsConfig.builder().optThreshold(0).optMinLength(1000).build();
        PbsAttention attention = PbsAttention.create(config, backend);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(SEED);
            NDArray x = Arrays4.normal(manager, random, 2, 1, 1000, 32);
            int[] lengths = {999, 1000};
            AttentionOutput found =
                    attention.forward(
                            float32(x),
                            float32(x),
                            float32(x),
                            new SequenceLengths(lengths, lengths));
            NDArray dense = DenseAttention.forward(x, x, x, 1 / Math.sqrt(32));
            NDIndex first = new NDIndex("0, :, :999");
            NDIndex second = new NDIndex("1, :, :1000");
            Assert.assertTrue(Arrays4.maxError(found.o().get(first), dense.get(first)) <= 1e-5);
            Assert.assertTrue(Arrays4.maxError(found.o().get(second), dense.get(second)) > 1e-2);
            Assert.assertTrue(found.report().density() < 1);
        }
    }

    /**
     * A padded batch gives each sequence what it gets alone; the padding is not read and comes out
     * as 0.
     */
    @Test(dataProvider = "backends")
    public void paddedBatchEqualsSequencesAlone(String backend) {
        int[] lengthsQ = {1, 300, 520};
        int[] lengthsK = {600, 300, 700};
        PbsAttention attention = PbsAttention.create(SHORT, backend);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(SEED);
            NDArray q = float32(Arrays4.normal(manager, random, 3, 4, 520, 64));
            NDArray k = float32(Arrays4.normal(manager, random, 3, 2, 700, 64));
            NDArray v = float32(Arrays4.normal(manager, random, 3, 2, 700, 64));
            for (int b = 0; b < 3; ++b) {
                if (lengthsK[b] < 700) {
                    k.set(new NDIndex("{}, :, {}:", b, lengthsK[b]), Float.NaN);
                    v.set(new NDIndex("{}, :, {}:", b, lengthsK[b]), Float.NaN);
                }
            }
            AttentionOutput all =
                    attention.forward(q, k, v, new SequenceLengths(lengthsQ, lengthsK));
            for (int b = 0; b < 3; ++b) {
                NDIndex queries = new NDIndex("{}:{}, :, :{}", b, b + 1, lengthsQ[b]);
                NDIndex keys = new NDIndex("{}:{}, :, :{}", b, b + 1, lengthsK[b]);
                AttentionOutput alone = attention.forward(q.get(queries), k.get(keys), v.get(keys));
                Assert.assertTrue(Arrays4.maxError(all.o().get(queries), alone.o()) <= 1e-6);
                if (lengthsQ[b] < 520) {
                    NDArray padding = all.o().get(new NDIndex("{}, :, {}:", b, lengthsQ[b]));
                    Assert.assertEquals(padding.abs().max().getFloat(), 0f);
                    NDArray lse = all.lse().get(new NDIndex("{}, :, {}:", b, lengthsQ[b]));
                    Assert.assertEquals(lse.max().getFloat(), Float.NEGATIVE_INFINITY);
                }
            }
        }
    }

    /**
     * Arrays as projections leave them, (batch, rows, heads, headDim) seen with heads first, are
     * read in place.
     */
    @Test(dataProvider = "backends")
    public void takesStridedViews(String backend) {
        PbsAttention attention = PbsAttention.create(SHORT, backend);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(SEED);
            NDArray[] views = new NDArray[3];
            NDArray[] copies = new NDArray[3];
            for (int i = 0; i < 3; ++i) {
                NDArray rows = float32(Arrays4.normal(manager, random, 2, 700, 2, 64));
                views[i] = rows.swapAxes(1, 2);
                copies[i] = views[i].flatten().reshape(views[i].getShape());
            }
            NDArray found = attention.forward(views[0], views[1], views[2]).o();
            NDArray expected = attention.forward(copies[0], copies[1], copies[2]).o();
            Assert.assertEquals(found.toFloatArray(), expected.toFloatArray());
        }
    }

    /** An array that is given takes the output, also the queries' own or one that is strided. */
    @Test(dataProvider = "backends")
    public void writesWhereAsked(String backend) {
        PbsAttention attention = PbsAttention.create(SHORT, backend).withoutLse();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Random random = new Random(SEED);
            NDArray q = float32(Arrays4.normal(manager, random, 1, 700, 4, 64)).swapAxes(1, 2);
            NDArray k = float32(Arrays4.normal(manager, random, 1, 2, 700, 64));
            NDArray v = float32(Arrays4.normal(manager, random, 1, 2, 700, 64));
            float[] expected = attention.forward(q, k, v).o().toFloatArray();
            NDArray scattered = zeros(manager, 1, 4, 64, 700).swapAxes(2, 3);
            for (NDArray out : new NDArray[] {scattered, q}) {
                try (AttentionOutput found = attention.forwardInto(q, k, v, out)) {
                    Assert.assertSame(found.o(), out);
                    Assert.assertEquals(out.toFloatArray(), expected);
                }
            }
            NDArray one = zeros(manager, 1, 2, 1, 64).broadcast(k.getShape());
            refusedInto("stride 0", attention, k, one);
            NDArray square = zeros(manager, 1, 64, 64, 64);
            refusedInto("strides of q", attention, square, square.swapAxes(1, 2));
            IllegalArgumentException shared =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> attention.forwardInto(k, k, v, k));
            Assert.assertTrue(shared.getMessage().contains("apart from k"), shared.getMessage());
            refusedInto("shape of q", attention, k, zeros(manager, 1, 2, 699, 64));
            refusedInto("type float32", attention, k, k.toType(DataType.FLOAT64, true));
        }
    }

    @Test(dataProvider = "backends")
    public void softmaxScaleCounts(String backend) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = Arrays4.normal(manager, new Random(SEED), 1, 1, 300, 64);
            PbsConfig config = PbsConfig.builder().optThreshold("all").optSoftmaxScale(0.5).build();
            NDArray found =
                    PbsAttention.create(config, backend)
                            .forward(float32(x), float32(x), float32(x))
                            .o();
            Assert.assertTrue(
                    Arrays4.maxError(found, DenseAttention.forward(x, x, x, 0.5)) <= 1e-5);
        }
    }

    @Test(dataProvider = "backends")
    public void notFiniteIsRefused(String backend) {
        PbsAttention attention = PbsAttention.create(SHORT, backend);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                for (int which = 0; which < 3; ++which) {
                    NDArray[] qkv = new NDArray[3];
                    for (int i = 0; i < 3; ++i) {
                        qkv[i] = float32(Arrays4.normal(manager, new Random(i), 1, 1, 600, 64));
                    }
                    qkv[which].set(new NDIndex("0, 0, 431, 7"), bad);
                    IllegalArgumentException e =
                            Assert.expectThrows(
                                    IllegalArgumentException.class,
                                    () -> attention.forward(qkv[0], qkv[1], qkv[2]));
                    String name = "qkv".substring(which, which + 1);
                    Assert.assertTrue(e.getMessage().startsWith(name + ":"), e.getMessage());
                }
            }
        }
    }

    @Test(dataProvider = "backends")
    public void badArraysAreRefused(String backend) {
        PbsAttention attention = PbsAttention.create(SHORT, backend);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray x = float32(Arrays4.normal(manager, new Random(SEED), 1, 2, 8, 64));
            refused("numQHeads", attention, x, zeros(manager, 1, 3, 8, 64));
            refused("headDim", attention, x, zeros(manager, 1, 2, 8, 32));
            refused("batch", attention, x, zeros(manager, 2, 2, 8, 64));
            refused("seqlenQ <= seqlenK", attention, x, zeros(manager, 1, 2, 7, 64));
            refused(
                    "not empty",
                    attention,
                    zeros(manager, 1, 2, 0, 64),
                    zeros(manager, 1, 2, 0, 64));
            refused("expected q", attention, zeros(manager, 8, 64), zeros(manager, 8, 64));
            refused("type float32", attention, x, x.toType(DataType.FLOAT64, true));
            NDArray ints = x.toType(DataType.INT32, true);
            refused("int32", attention, ints, ints);
        }
    }

    @Test
    public void unknownBackendIsNamed() {
        IllegalStateException e =
                Assert.expectThrows(
                        IllegalStateException.class,
                        () -> PbsAttention.create(PbsConfig.DEFAULT, "abacus"));
        Assert.assertTrue(e.getMessage().contains("'abacus'"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("reference"), e.getMessage());
    }

    private static void refused(String word, PbsAttention attention, NDArray q, NDArray k) {
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class, () -> attention.forward(q, k, k));
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    private static void refusedInto(String word, PbsAttention attention, NDArray q, NDArray out) {
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () -> {
                            NDArray k = q.duplicate();
                            attention.forwardInto(q, k, k, out);
                        });
        Assert.assertTrue(e.getMessage().startsWith("out:"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    private static NDArray zeros(NDManager manager, long... shape) {
        return manager.zeros(new ai.djl.ndarray.types.Shape(shape));
    }

    private static NDArray float32(NDArray array) {
        return LibTorch.get().toType(array.getManager(), array, TorchType.FLOAT32);
    }

    private static NDArray float64(NDArray array) {
        return LibTorch.get().toType(array.getManager(), array, TorchType.FLOAT64);
    }
}

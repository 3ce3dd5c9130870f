package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** One token of each of several sequences at once, against each sequence by itself. */
public class DecodeStepTest {

    private static final double TOLERANCE = 1e-5;

    /** The least error in bfloat16 that PyTorch has on a golden checkpoint. */
    private static final double BFLOAT16_TOLERANCE = 0.029;

    private static final int[] LENGTHS = {1, 5, 64, 127, 128, 129, 300};
    private static final int STEPS = 4;
    private static final ModelOptions EXACT = new ModelOptions().optPbsConfig(PbsConfig.DENSE);

    private NDManager manager;

    @BeforeMethod
    public void open() {
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterMethod
    public void close() {
        manager.close();
    }

    @DataProvider
    public Object[][] families() {
        // With longrope, sequences outgrow the short factors, of 50 tokens, in different steps.
        int[] aroundTheSwitch = {1, 46, 47, 48, 49, 50, 51, 64, 200};
        int[] aroundTheWindow = {62, 63, 64, 65, 1, 99, 100, 101};
        List<Object[]> rows = new ArrayList<>();
        for (TorchType type : List.of(TorchType.FLOAT32, TorchType.BFLOAT16)) {
            rows.add(new Object[] {"llama", type, LENGTHS});
            rows.add(new Object[] {"qwen3_qknorm", type, LENGTHS});
            rows.add(new Object[] {"qwen2_bias", type, LENGTHS});
            rows.add(new Object[] {"phi3_fused", type, LENGTHS});
            rows.add(new Object[] {"mistral_window", type, LENGTHS});
            rows.add(new Object[] {"mistral_window", type, aroundTheWindow});
            rows.add(new Object[] {"qwen3_window_shards", type, LENGTHS});
            rows.add(new Object[] {"phi3_longrope_window", type, LENGTHS});
            rows.add(new Object[] {"phi3_longrope_window", type, aroundTheSwitch});
            rows.add(new Object[] {"llama_dynamic_rope", type, LENGTHS});
            rows.add(new Object[] {"llama_dynamic_rope", type, aroundTheSwitch});
        }
        return rows.toArray(new Object[0][]);
    }

    /**
     * Sequences of different lengths give what prefills of each one's tokens give, which are
     * another code path.
     */
    @Test(dataProvider = "families")
    public void raggedEqualsSingle(String name, TorchType type, int... lengths) throws Exception {
        double tolerance = type == TorchType.FLOAT32 ? TOLERANCE : BFLOAT16_TOLERANCE;
        CausalLm model =
                CausalLm.load(
                        Fixtures.CHECKPOINTS.resolve(name),
                        new ModelOptions().optPbsConfig(PbsConfig.DENSE).optDtype(type),
                        manager);
        List<long[]> sequences = new ArrayList<>();
        List<KvCache> together = new ArrayList<>();
        List<KvCache> alone = new ArrayList<>();
        Random random = new Random(17);
        for (int length : lengths) {
            long[] ids = random.longs(length + STEPS, 0, model.vocabSize()).toArray();
            sequences.add(ids);
            for (List<KvCache> caches : List.of(together, alone)) {
                KvCache cache = model.newCache(manager, 1, ids.length);
                model.prefill(row(ids, 0, length), cache, new PrefillOptions()).logits().close();
                caches.add(cache);
            }
        }
        for (int step = 0; step < STEPS; ++step) {
            long[] next = new long[lengths.length];
            for (int i = 0; i < next.length; ++i) {
                next[i] = sequences.get(i)[lengths[i] + step];
            }
            NDArray input = manager.create(next, new Shape(next.length, 1));
            NDArray found = model.decode(input, together);
            Assert.assertEquals(found.getShape(), new Shape(next.length, model.vocabSize()));
            for (int i = 0; i < next.length; ++i) {
                NDArray token = manager.create(new long[] {next[i]}, new Shape(1, 1));
                NDArray expected =
                        model.prefill(token, alone.get(i), new PrefillOptions())
                                .logits()
                                .squeeze(1);
                assertClose(row(found, i), expected, tolerance);
                Assert.assertEquals(together.get(i).length(), lengths[i] + step + 1);
                Assert.assertEquals(
                        together.get(i).ids(manager).toLongArray(),
                        alone.get(i).ids(manager).toLongArray());
            }
        }
    }

    /** With longrope, what the steps give across the switch is what one whole prefill gives. */
    @Test
    public void longropeSwitchEqualsWholePrefill() throws Exception {
        CausalLm model = load("phi3_longrope_window");
        long[] ids = new Random(3).longs(54, 0, model.vocabSize()).toArray();
        KvCache growing = prefilled(model, ids, 47);
        KvCache other = prefilled(model, ids, 20);
        for (int length = 48; length <= ids.length; ++length) {
            long[] next = {ids[length - 1], ids[length - 1 - 27]};
            NDArray found =
                    model.decode(manager.create(next, new Shape(2, 1)), List.of(growing, other));
            KvCache fresh = model.newCache(manager, 1, 100);
            NDArray whole =
                    model.prefill(row(ids, 0, length), fresh, new PrefillOptions())
                            .logits()
                            .squeeze(1);
            assertClose(row(found, 0), whole, TOLERANCE);
            Assert.assertEquals(growing.rotatedBy(length > 50 ? 1 : 0), length);
            Assert.assertEquals(other.rotatedBy(0), length - 27, "it has not outgrown its table");
        }
    }

    /** Keys that are computed anew have the room that was made for the answer. */
    @Test
    public void newKeysKeepTheRoom() throws Exception {
        CausalLm model = load("phi3_longrope_window");
        KvCache cache = prefilled(model, new long[50], 50);
        cache.reserve(400);
        int capacity = cache.capacity();
        model.decode(manager.ones(new Shape(1, 1), DataType.INT64), cache);
        Assert.assertEquals(cache.rotatedBy(1), 51);
        Assert.assertEquals(cache.capacity(), capacity);
    }

    /** A cache of several sequences may stand beside caches of one. */
    @Test
    public void cachesOfSeveralSequencesMix() throws Exception {
        CausalLm model = load("qwen3_qknorm");
        NDArray ids =
                Fixtures.named(Fixtures.expected(manager, "qwen3_qknorm"), "input_ids")
                        .toType(DataType.INT64, false);
        NDArray both = ids.get(":, :40");
        NDArray next = ids.get(":, 40:41");
        KvCache two = model.newCache(manager, 2, 60);
        model.prefill(both, two, new PrefillOptions());
        NDArray expected = model.prefill(next, two, new PrefillOptions()).logits().squeeze(1);
        two.trimTo(40);
        KvCache one = prefilled(model, new long[] {7, 8, 9}, 3);
        NDArray token = manager.create(new long[] {4}, new Shape(1, 1));
        NDArray ofOne = model.prefill(token, one, new PrefillOptions()).logits().squeeze(1);
        one.trimTo(3);
        NDArray found = model.decode(token.concat(next, 0), List.of(one, two));
        assertClose(row(found, 0), ofOne, TOLERANCE);
        assertClose(found.get(new NDIndex("1:3")), expected, TOLERANCE);
        Assert.assertEquals(two.length(), 41);
        Assert.assertEquals(one.length(), 4);
    }

    /** However many sequences there are, each weight is read once for all. */
    @Test
    public void weightsAreReadOnceForAll() throws Exception {
        WatchedOps ops = new WatchedOps(TorchType.FLOAT32);
        CausalLm model = ops.load(Fixtures.CHECKPOINTS.resolve("llama"), EXACT, manager);
        List<KvCache> caches = new ArrayList<>();
        for (int i = 1; i <= 5; ++i) {
            caches.add(prefilled(model, new long[10 * i], 10 * i));
        }
        ops.rows.clear();
        model.decode(manager.ones(new Shape(1, 1), DataType.INT64), caches.get(0));
        int calls = ops.rows.size();
        Assert.assertEquals(ops.rows, Collections.nCopies(calls, 1L));
        Assert.assertTrue(calls >= 2 * 4 + 1, "two layers and the output: " + calls);
        ops.rows.clear();
        model.decode(manager.ones(new Shape(5, 1), DataType.INT64), caches);
        Assert.assertEquals(ops.rows, Collections.nCopies(calls, 5L));
    }

    @Test
    public void failedStepLeavesTheCachesAsTheyWere() throws Exception {
        WatchedOps ops = new WatchedOps(TorchType.FLOAT32);
        CausalLm model =
                ops.load(Fixtures.CHECKPOINTS.resolve("phi3_longrope_window"), EXACT, manager);
        long[] ids = new Random(5).longs(60, 0, model.vocabSize()).toArray();
        NDArray next = manager.create(new long[] {3, 4}, new Shape(2, 1));
        // The first of them outgrows its table in this step.
        List<KvCache> before = List.of(prefilled(model, ids, 50), prefilled(model, ids, 60));
        List<KvCache> caches = List.of(prefilled(model, ids, 1), prefilled(model, ids, 1));
        copy(before, caches);
        ops.rows.clear();
        NDArray expected = model.decode(next, caches);
        int calls = ops.rows.size();
        for (int failing = 1; failing <= calls; ++failing) {
            copy(before, caches);
            int[] left = {failing};
            ops.before =
                    rows -> {
                        if (--left[0] == 0) {
                            throw new UnsupportedOperationException("enough");
                        }
                    };
            Assert.expectThrows(
                    UnsupportedOperationException.class, () -> model.decode(next, caches));
            ops.before = rows -> {};
            for (int i = 0; i < 2; ++i) {
                Assert.assertEquals(caches.get(i).length(), before.get(i).length());
                Assert.assertEquals(
                        caches.get(i).ids(manager).toLongArray(),
                        before.get(i).ids(manager).toLongArray());
            }
            assertClose(model.decode(next, caches), expected, TOLERANCE);
        }
    }

    private static void copy(List<KvCache> from, List<KvCache> to) {
        for (int i = 0; i < from.size(); ++i) {
            to.get(i).copyFrom(from.get(i), from.get(i).length(), from.get(i).length());
        }
    }

    @Test
    public void badInputIsNamedAndChangesNothing() throws Exception {
        CausalLm model = load("llama");
        KvCache first = prefilled(model, new long[] {1, 2, 3}, 3);
        KvCache second = prefilled(model, new long[] {1, 2}, 2);
        KvCache full = model.newCache(manager, 1, 2);
        model.prefill(row(new long[] {1, 2}, 0, 2), full, new PrefillOptions());
        KvCache foreign = prefilled(load("llama"), new long[] {1}, 1);
        NDArray two = manager.ones(new Shape(2, 1), DataType.INT64);
        refused("batch 3", () -> model.decode(two, List.of(first, second, full)));
        refused("at least one", () -> model.decode(two.get("0:0"), List.of()));
        refused("twice", () -> model.decode(two, List.of(first, first)));
        refused("another model", () -> model.decode(two, List.of(first, foreign)));
        refused("limit is 2", () -> model.decode(two, List.of(first, full)));
        refused("found 513", () -> model.decode(two.mul(513), List.of(first, second)));
        refused(
                "one token",
                () ->
                        model.decode(
                                manager.ones(new Shape(2, 2), DataType.INT64),
                                List.of(first, second)));
        refused("int64", () -> model.decode(two.toType(DataType.INT32, true), List.of(first)));
        NDList ids = new NDList(first.ids(manager), second.ids(manager));
        Assert.assertEquals(ids.get(0).toLongArray(), new long[] {1, 2, 3});
        Assert.assertEquals(ids.get(1).toLongArray(), new long[] {1, 2});
        refused(
                "another model",
                () -> model.prefill(row(new long[] {1}, 0, 1), foreign, new PrefillOptions()));
    }

    /**
     * Room is looked for everywhere before anything is done: here, before keys are rotated anew.
     */
    @Test
    public void noCacheIsTouchedWhereOneIsFull() throws Exception {
        CausalLm model = load("phi3_longrope_window");
        KvCache outgrowing = prefilled(model, new long[50], 50);
        KvCache full = model.newCache(manager, 1, 2);
        model.prefill(row(new long[2], 0, 2), full, new PrefillOptions());
        NDArray two = manager.ones(new Shape(2, 1), DataType.INT64);
        refused("limit is 2", () -> model.decode(two, List.of(outgrowing, full)));
        Assert.assertEquals(outgrowing.length(), 50);
        Assert.assertEquals(outgrowing.rotatedBy(0), 50);
    }

    /** A beginning that is copied gives what the whole gives, whatever the cache held before. */
    @Test
    public void copiedBeginningIsAsGood() throws Exception {
        for (String name : List.of("llama", "phi3_longrope_window")) {
            CausalLm model = load(name);
            long[] ids = new Random(8).longs(600, 0, model.vocabSize()).toArray();
            KvCache source = prefilled(model, ids, 590);
            KvCache copy = prefilled(model, new long[] {1, 2, 3, 4}, 4);
            // With longrope the last two are copied from below the switch to a cache from above it;
            // few tokens follow, so that the window does not hide what is before them.
            KvCache shortSource = prefilled(model, ids, 45);
            for (int tokens : new int[] {580, 70, 0, 300, 45, 20}) {
                KvCache from = tokens > 45 || tokens == 0 ? source : shortSource;
                copy.copyFrom(from, tokens, tokens);
                Assert.assertEquals(copy.length(), tokens);
                Assert.assertEquals(copy.sharedTokens(ids, model.keyTable(from.length())), tokens);
                KvCache fresh = model.newCache(manager, 1, 700);
                int end = tokens + 15;
                NDArray whole =
                        model.prefill(row(ids, 0, end), fresh, new PrefillOptions()).logits();
                NDArray found =
                        model.prefill(row(ids, tokens, end), copy, new PrefillOptions()).logits();
                assertClose(found, whole, TOLERANCE);
            }
            Assert.assertEquals(source.length(), 590);
            Assert.assertEquals(source.sharedTokens(ids, model.keyTable(590)), 590);
            long[] other = ids.clone();
            other[33] = (other[33] + 1) % model.vocabSize();
            Assert.assertEquals(source.sharedTokens(other, model.keyTable(590)), 33);
        }
    }

    private CausalLm load(String name) throws Exception {
        ModelOptions options =
                new ModelOptions().optPbsConfig(PbsConfig.DENSE).optDtype(TorchType.FLOAT32);
        return CausalLm.load(Fixtures.CHECKPOINTS.resolve(name), options, manager);
    }

    private KvCache prefilled(CausalLm model, long[] ids, int tokens) {
        KvCache cache = model.newCache(manager, 1, 700);
        model.prefill(row(ids, 0, tokens), cache, new PrefillOptions());
        return cache;
    }

    private NDArray row(long[] ids, int begin, int end) {
        return manager.create(Arrays.copyOfRange(ids, begin, end), new Shape(1, end - begin));
    }

    private static NDArray row(NDArray logits, int row) {
        return logits.get(new NDIndex("{}:{}", row, row + 1));
    }

    private static void refused(String word, Assert.ThrowingRunnable code) {
        IllegalArgumentException e = Assert.expectThrows(IllegalArgumentException.class, code);
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    private static void assertClose(NDArray found, NDArray expected, double tolerance) {
        Assert.assertEquals(found.getShape(), expected.getShape());
        double error = found.sub(expected).abs().max().getFloat() / expected.abs().max().getFloat();
        // A comparison with NaN is false.
        Assert.assertTrue(error <= tolerance, "logit error " + error);
    }
}

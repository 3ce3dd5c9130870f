package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.TorchType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Compares models with what transformers computed from the same checkpoints. */
public class CausalLmTest {

    private static final double TOLERANCE = 2e-4;

    @DataProvider
    public Object[][] checkpoints() {
        List<Object[]> rows = new ArrayList<>();
        for (String name : List.of("llama", "llama31_rope", "llama_tied_shards")) {
            for (AttentionKind kind : AttentionKind.values()) {
                rows.add(new Object[] {name, kind});
            }
        }
        return rows.toArray(new Object[0][]);
    }

    @Test(dataProvider = "checkpoints")
    public void matchesTransformers(String name, AttentionKind kind) throws Exception {
        check(Fixtures.CHECKPOINTS.resolve(name), name, kind);
    }

    /**
     * In bfloat16 the logits may differ from float32's by as much as PyTorch's do, which is the
     * largest difference that transformers 5.17 has on the same checkpoint cast to bfloat16.
     */
    @DataProvider
    public Object[][] bfloat16Checkpoints() {
        return new Object[][] {
            {"llama31_rope", AttentionKind.PBS, 0.0318},
            {"llama31_rope", AttentionKind.DENSE, 0.0318},
            {"llama_tied_shards", AttentionKind.PBS, 0.0350},
            {"llama_tied_shards", AttentionKind.DENSE, 0.0350},
        };
    }

    @Test(dataProvider = "bfloat16Checkpoints")
    public void bfloat16IsAsCloseAsPyTorch(String name, AttentionKind kind, double tolerance)
            throws Exception {
        ModelOptions options = exact(kind).optDtype(TorchType.BFLOAT16);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(Fixtures.CHECKPOINTS.resolve(name), options, manager);
            Assert.assertEquals(model.dtype(), TorchType.BFLOAT16);
            checkLogits(manager, model, Fixtures.expected(manager, name), tolerance);
        }
    }

    @Test
    public void readsConfigOfTransformers4() throws Exception {
        Path folder = Fixtures.copyOf("llama31_rope");
        Files.move(
                folder.resolve("config.transformers4.json"),
                folder.resolve("config.json"),
                StandardCopyOption.REPLACE_EXISTING);
        check(folder, "llama31_rope", AttentionKind.DENSE);
    }

    private static void check(Path folder, String name, AttentionKind kind) throws Exception {
        ModelOptions options = exact(kind).optDtype(TorchType.FLOAT32);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDList expected = Fixtures.expected(manager, name);
            CausalLm model = CausalLm.load(folder, options, manager);
            checkLogits(manager, model, expected, TOLERANCE);
            checkGreedy(manager, model, expected);
        }
    }

    /** The expected values come from models that were cast to their stored type as a whole. */
    private static ModelOptions exact(AttentionKind kind) {
        return new ModelOptions()
                .optAttention(kind)
                .optPbsConfig(PbsConfig.DENSE)
                .optRoundedFrequencies(true);
    }

    private static void checkLogits(
            NDManager manager, CausalLm model, NDList expected, double tolerance) {
        NDArray ids = Fixtures.named(expected, "input_ids").toType(DataType.INT64, false);
        int tokens = (int) ids.getShape().get(1);
        NDArray every20 = Fixtures.named(expected, "logits_row0_every20");
        int[] positions = new int[(tokens + 19) / 20 + 1];
        for (int i = 0; i < positions.length - 1; ++i) {
            positions[i] = 20 * i;
        }
        positions[positions.length - 1] = tokens - 1;
        try (KvCache cache = model.newCache(manager, 2, tokens)) {
            NDArray logits =
                    model.prefill(ids, cache, new PrefillOptions().optLogitPositions(positions))
                            .logits();
            NDArray last = logits.get(new NDIndex(":, {}", positions.length - 1));
            assertClose(last, Fixtures.named(expected, "logits_last"), tolerance);
            NDArray rows = logits.get(new NDIndex("0, :{}", positions.length - 1));
            assertClose(rows, every20, tolerance);
        }
    }

    private static void checkGreedy(NDManager manager, CausalLm model, NDList expected) {
        NDArray prompt = Fixtures.named(expected, "prompt_ids").toType(DataType.INT64, false);
        long[] greedy =
                Fixtures.named(expected, "greedy_ids")
                        .toType(DataType.INT64, false)
                        .flatten()
                        .toLongArray();
        int limit = (int) prompt.getShape().get(1) + greedy.length;
        long[] found = new long[greedy.length];
        try (KvCache cache = model.newCache(manager, 1, limit)) {
            NDArray logits = model.prefill(prompt, cache, new PrefillOptions()).logits();
            for (int i = 0; i < found.length; ++i) {
                found[i] = logits.argMax(-1).toLongArray()[0];
                logits =
                        model.decode(manager.create(new long[] {found[i]}, new Shape(1, 1)), cache);
            }
        }
        Assert.assertEquals(found, greedy);
    }

    @DataProvider
    public Object[][] chunks() {
        return new Object[][] {{1}, {100}, {257}, {4096}};
    }

    /** Chunks of the prompt give what the whole prompt gives. */
    @Test(dataProvider = "chunks")
    public void chunkedPrefillEqualsWhole(int chunkTokens) throws Exception {
        for (AttentionKind kind : AttentionKind.values()) {
            ModelOptions options =
                    new ModelOptions().optAttention(kind).optPbsConfig(PbsConfig.DENSE);
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                NDList expected = Fixtures.expected(manager, "llama");
                NDArray ids = Fixtures.named(expected, "input_ids").toType(DataType.INT64, false);
                CausalLm model =
                        CausalLm.load(Fixtures.CHECKPOINTS.resolve("llama"), options, manager);
                try (KvCache cache = model.newCache(manager, 2, 300)) {
                    PrefillOptions chunked = new PrefillOptions().optChunkTokens(chunkTokens);
                    NDArray logits = model.prefill(ids, cache, chunked).logits();
                    Assert.assertEquals(cache.length(), 300);
                    assertClose(logits.squeeze(1), Fixtures.named(expected, "logits_last"));
                }
            }
        }
    }

    @Test
    public void progressReachesTheEndAndCancels() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model =
                    CausalLm.load(
                            Fixtures.CHECKPOINTS.resolve("llama"), new ModelOptions(), manager);
            NDArray ids = manager.ones(new Shape(1, 50), DataType.INT64);
            List<Long> heard = new ArrayList<>();
            PrefillOptions options =
                    new PrefillOptions()
                            .optChunkTokens(30)
                            .optProgress(
                                    (done, total) -> {
                                        heard.add(done);
                                        Assert.assertEquals(total, 100);
                                    });
            try (KvCache cache = model.newCache(manager, 1, 100)) {
                model.prefill(ids, cache, options);
                Assert.assertEquals(heard, List.of(30L, 60L, 80L, 100L));
                PrefillOptions cancelling =
                        new PrefillOptions()
                                .optProgress(
                                        (done, total) -> {
                                            throw new CancellationException("enough");
                                        });
                Assert.expectThrows(
                        CancellationException.class, () -> model.prefill(ids, cache, cancelling));
                Assert.assertEquals(cache.length(), 50, "the failed prefill has left nothing");
            }
        }
    }

    @Test
    public void badInputIsNamed() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model =
                    CausalLm.load(
                            Fixtures.CHECKPOINTS.resolve("llama"), new ModelOptions(), manager);
            try (KvCache cache = model.newCache(manager, 1, 10)) {
                PrefillOptions options = new PrefillOptions();
                refused(
                        "11 tokens, the limit is 10",
                        () -> model.prefill(ids(manager, new long[11]), cache, options));
                refused(
                        "at least one token",
                        () -> model.prefill(ids(manager, new long[0]), cache, options));
                refused(
                        "found 512 at position 1",
                        () -> model.prefill(ids(manager, 1, 512), cache, options));
                refused(
                        "found -1 at position 0",
                        () -> model.prefill(ids(manager, -1), cache, options));
                refused(
                        "batch 1",
                        () ->
                                model.prefill(
                                        manager.ones(new Shape(2, 3), DataType.INT64),
                                        cache,
                                        options));
                refused(
                        "int64",
                        () ->
                                model.prefill(
                                        manager.ones(new Shape(1, 3), DataType.INT32),
                                        cache,
                                        options));
                refused(
                        "below 2",
                        () ->
                                model.prefill(
                                        ids(manager, 1, 1),
                                        cache,
                                        new PrefillOptions().optLogitPositions(2)));
                Assert.assertEquals(cache.length(), 0);
            }
            refused("1 to 4096", () -> model.newCache(manager, 1, 4097));
        }
    }

    @Test
    public void cacheGrowsWithUseAndForgets() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            ModelOptions options = new ModelOptions().optAttention(AttentionKind.DENSE);
            CausalLm model = CausalLm.load(Fixtures.CHECKPOINTS.resolve("llama"), options, manager);
            NDArray first = ids(manager, 5, 6, 7, 8, 9);
            NDArray other = ids(manager, 5, 6, 7, 20, 21, 22, 23);
            try (KvCache cache = model.newCache(manager, 1, 64);
                    KvCache fresh = model.newCache(manager, 1, 64)) {
                model.prefill(first, cache, new PrefillOptions());
                cache.trimTo(3);
                NDArray rest = other.get(new NDIndex(":, 3:"));
                NDArray found = model.prefill(rest, cache, new PrefillOptions()).logits();
                NDArray expected = model.prefill(other, fresh, new PrefillOptions()).logits();
                assertClose(found, expected);
                Assert.assertEquals(cache.length(), 7);
                refused("0 to 7", () -> cache.trimTo(8));
            }
        }
    }

    private static NDArray ids(NDManager manager, long... ids) {
        return manager.create(ids, new Shape(1, ids.length));
    }

    private static void refused(String word, Assert.ThrowingRunnable code) {
        IllegalArgumentException e = Assert.expectThrows(IllegalArgumentException.class, code);
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    private static void assertClose(NDArray found, NDArray expected) {
        assertClose(found, expected, TOLERANCE);
    }

    private static void assertClose(NDArray found, NDArray expected, double tolerance) {
        Assert.assertEquals(found.getShape(), expected.getShape());
        double error = found.sub(expected).abs().max().getFloat() / expected.abs().max().getFloat();
        Assert.assertTrue(error <= tolerance, "logit error " + error);
        Assert.assertEquals(NDArrays.add(found, expected).isNaN().any().getBoolean(), false);
    }
}

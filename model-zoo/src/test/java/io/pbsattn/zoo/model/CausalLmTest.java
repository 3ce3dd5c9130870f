package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PbsConfig;
import io.pbsattn.layer.Linear;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Compares models with what transformers computed from the same checkpoints. */
public class CausalLmTest {

    private static final double TOLERANCE = 2e-4;

    private static final String OLDER_CONFIG = "config.transformers4.json";

    /**
     * The largest difference that transformers 5.18 has in bfloat16 from its float32, for the
     * checkpoints whose expected values do not say so themselves. These were made by casting whole
     * models, which rounds the rotary frequencies too.
     */
    private static final Map<String, Double> CAST_CHECKPOINTS =
            Map.of(
                    "llama", 0.0355,
                    "llama31_rope", 0.0318,
                    "llama_tied_shards", 0.0350,
                    "mistral_window", 0.0553,
                    "phi3_fused", 0.0534,
                    "qwen2_bias", 0.0472,
                    "qwen3_qknorm", 0.0292);

    @DataProvider
    public Object[][] checkpoints() throws IOException {
        List<Object[]> rows = new ArrayList<>();
        try (Stream<Path> folders = Files.list(Fixtures.CHECKPOINTS)) {
            for (Path folder : folders.sorted().toList()) {
                for (AttentionKind kind : AttentionKind.values()) {
                    rows.add(new Object[] {folder.getFileName().toString(), kind});
                }
            }
        }
        Assert.assertEquals(rows.size(), 2 * 14);
        return rows.toArray(new Object[0][]);
    }

    @Test(dataProvider = "checkpoints")
    public void matchesTransformers(String name, AttentionKind kind) throws Exception {
        check(Fixtures.CHECKPOINTS.resolve(name), name, kind);
    }

    /** In bfloat16 the logits may differ from float32's by as much as PyTorch's do. */
    @Test(dataProvider = "checkpoints")
    public void bfloat16IsAsCloseAsPyTorch(String name, AttentionKind kind) throws Exception {
        ModelOptions options = exact(name, kind).optDtype(TorchType.BFLOAT16);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(Fixtures.CHECKPOINTS.resolve(name), options, manager);
            Assert.assertEquals(model.dtype(), TorchType.BFLOAT16);
            NDList expected = Fixtures.expected(manager, name);
            Double tolerance = CAST_CHECKPOINTS.get(name);
            checkLogits(
                    manager,
                    model,
                    expected,
                    tolerance != null
                            ? tolerance
                            : Fixtures.named(expected, "bfloat16_error").toFloatArray()[0]);
        }
    }

    @DataProvider
    public Object[][] olderConfigs() {
        return Stream.of(
                        "llama31_rope",
                        "llama_biases_mha",
                        "llama_dynamic_rope",
                        "llama_linear_rope",
                        "ministral_layer_types",
                        "phi3_longrope_window",
                        "qwen2_yarn",
                        "qwen3_window_shards")
                .map(name -> new Object[] {name})
                .toArray(Object[][]::new);
    }

    @Test(dataProvider = "olderConfigs")
    public void readsConfigOfTransformers4(String name) throws Exception {
        check(withOlderConfig(name), name, AttentionKind.DENSE);
    }

    private static Path withOlderConfig(String name) throws IOException {
        Path folder = Fixtures.copyOf(name);
        Files.move(
                folder.resolve(OLDER_CONFIG),
                folder.resolve("config.json"),
                StandardCopyOption.REPLACE_EXISTING);
        return folder;
    }

    /** A backend that is forced runs, also where every block is kept. */
    @Test
    public void windowsRunOnAForcedReference() throws Exception {
        for (String name : List.of("mistral_window", "qwen3_window_shards")) {
            for (AttentionKind kind : AttentionKind.values()) {
                ModelOptions options =
                        exact(name, kind).optDtype(TorchType.FLOAT32).optBackend("reference");
                try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                    NDList expected = Fixtures.expected(manager, name);
                    CausalLm model =
                            CausalLm.load(Fixtures.CHECKPOINTS.resolve(name), options, manager);
                    Assert.assertEquals(model.backendName(), "reference");
                    checkLogits(manager, model, expected, TOLERANCE);
                    checkGreedy(manager, model, expected);
                }
            }
        }
    }

    @DataProvider
    public Object[][] changes() {
        return new Object[][] {
            {"mistral_window", "\"sliding_window\": 64", "\"sliding_window\": null"},
            {"mistral_window", "\"sliding_window\": 64", "\"sliding_window\": 63"},
            {"phi3_longrope_window", "\"sliding_window\": 100", "\"sliding_window\": 99"},
            {
                "phi3_longrope_window",
                "\"long_factor\": [",
                "\"attention_factor\": 1.5, \"long_factor\": ["
            },
            {
                "phi3_longrope_window",
                "\"original_max_position_embeddings\": 50,\n  \"pad",
                "\"original_max_position_embeddings\": 400,\n  \"pad"
            },
            {"phi3_longrope_window", " 1.2,", " 1.3,"},
            {"phi3_longrope_window", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e-02"},
            {"qwen3_window_shards", "\"max_window_layers\": 1", "\"max_window_layers\": 2"},
            {
                "qwen3_window_shards",
                "\"use_sliding_window\": true",
                "\"use_sliding_window\": false"
            },
            {"qwen3_window_shards", "\"rope_theta\": 10000.0", "\"rope_theta\": 20000.0"},
            {
                "ministral_layer_types",
                "\"full_attention\",\n    \"sliding_attention\"",
                "\"full_attention\",\n    \"full_attention\""
            },
            {"qwen2_yarn", "\"factor\": 8.0", "\"factor\": 16.0"},
            {"qwen2_yarn", "\"factor\": 8.0", "\"factor\": 8.0, \"beta_fast\": 0.5"},
            {"qwen2_yarn", "\"factor\": 8.0", "\"factor\": 8.0, \"beta_slow\": 0.25"},
            {"qwen2_yarn", "\"factor\": 8.0", "\"factor\": 8.0, \"attention_factor\": 1.0"},
            {
                "qwen2_yarn",
                "\"factor\": 8.0",
                "\"factor\": 8.0, \"mscale\": 1.0, \"mscale_all_dim\": 0.5"
            },
            {"qwen2_yarn", "\"factor\": 8.0", "\"factor\": 8.0, \"truncate\": false"},
            {"qwen2_yarn", "embeddings\": 64\n", "embeddings\": 400\n"},
            {"llama_linear_rope", "\"factor\": 4.0", "\"factor\": 5.0"},
            {"llama_dynamic_rope", "\"factor\": 8.0", "\"factor\": 9.0"},
        };
    }

    /** Whatever the configuration says counts: a change of it changes the logits. */
    @Test(dataProvider = "changes")
    public void everyKeyCounts(String name, String from, String to) throws Exception {
        Path config = Fixtures.CHECKPOINTS.resolve(name).resolve(OLDER_CONFIG);
        Path folder = Files.exists(config) ? withOlderConfig(name) : Fixtures.copyOf(name);
        Fixtures.replace(folder.resolve("config.json"), from, to);
        AssertionError e =
                Assert.expectThrows(
                        AssertionError.class, () -> check(folder, name, AttentionKind.DENSE));
        Assert.assertTrue(e.getMessage().contains("logit error"), e.getMessage());
    }

    private static void check(Path folder, String name, AttentionKind kind) throws Exception {
        ModelOptions options = exact(name, kind).optDtype(TorchType.FLOAT32);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDList expected = Fixtures.expected(manager, name);
            CausalLm model = CausalLm.load(folder, options, manager);
            checkLogits(manager, model, expected, TOLERANCE);
            checkGreedy(manager, model, expected);
        }
    }

    private static ModelOptions exact(String name, AttentionKind kind) {
        return new ModelOptions()
                .optAttention(kind)
                .optPbsConfig(PbsConfig.DENSE)
                .optRoundedFrequencies(CAST_CHECKPOINTS.containsKey(name));
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
        return new Object[][] {
            {"llama", 1},
            {"llama", 100},
            {"llama", 257},
            {"llama", 4096},
            {"mistral_window", 1},
            {"mistral_window", 100},
            {"qwen3_window_shards", 33},
            {"phi3_longrope_window", 40},
            {"llama_dynamic_rope", 40}
        };
    }

    /** Chunks of the prompt give what the whole prompt gives. */
    @Test(dataProvider = "chunks")
    public void chunkedPrefillEqualsWhole(String name, int chunkTokens) throws Exception {
        for (AttentionKind kind : AttentionKind.values()) {
            ModelOptions options = exact(name, kind).optDtype(TorchType.FLOAT32);
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                NDList expected = Fixtures.expected(manager, name);
                NDArray ids = Fixtures.named(expected, "input_ids").toType(DataType.INT64, false);
                CausalLm model =
                        CausalLm.load(Fixtures.CHECKPOINTS.resolve(name), options, manager);
                try (KvCache cache = model.newCache(manager, 2, 300)) {
                    PrefillOptions chunked = new PrefillOptions().optChunkTokens(chunkTokens);
                    NDArray logits = model.prefill(ids, cache, chunked).logits();
                    Assert.assertEquals(cache.length(), 300);
                    assertClose(logits.squeeze(1), Fixtures.named(expected, "logits_last"));
                }
            }
        }
    }

    /** Where a sequence outgrows the short factors, or is cut back to them, its keys are new. */
    @Test
    public void longropeComputesKeysAnew() throws Exception {
        String name = "phi3_longrope_window";
        ModelOptions options = exact(name, AttentionKind.DENSE).optDtype(TorchType.FLOAT32);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray ids =
                    Fixtures.named(Fixtures.expected(manager, name), "input_ids")
                            .toType(DataType.INT64, false);
            CausalLm model = CausalLm.load(Fixtures.CHECKPOINTS.resolve(name), options, manager);
            try (KvCache cache = model.newCache(manager, 2, 300);
                    KvCache fresh = model.newCache(manager, 2, 300)) {
                NDArray whole =
                        model.prefill(
                                        ids.get(":, :130"),
                                        fresh,
                                        new PrefillOptions().optLogitPositions(45, 60, 129))
                                .logits();
                model.prefill(ids.get(":, :45"), cache, new PrefillOptions());
                NDArray found =
                        model.prefill(
                                        ids.get(":, 45:130"),
                                        cache,
                                        new PrefillOptions().optLogitPositions(0, 15, 84))
                                .logits();
                assertClose(found, whole);
                Assert.assertEquals(cache.length(), 130);
                NDArray next = model.decode(ids.get(":, 130:131"), fresh);
                assertClose(model.decode(ids.get(":, 130:131"), cache), next);

                fresh.trimTo(0);
                NDArray shorter =
                        model.prefill(ids.get(":, :48"), fresh, new PrefillOptions()).logits();
                cache.trimTo(20);
                NDArray cut =
                        model.prefill(ids.get(":, 20:48"), cache, new PrefillOptions()).logits();
                assertClose(cut, shorter);
            }
        }
    }

    /** With a window, keys before it are not even read: here they would spoil everything. */
    @Test
    public void decodingReadsTheWindowOnly() throws Exception {
        for (TorchType type : List.of(TorchType.FLOAT32, TorchType.BFLOAT16)) {
            ModelOptions options = exact("mistral_window", AttentionKind.PBS).optDtype(type);
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                NDArray ids =
                        Fixtures.named(Fixtures.expected(manager, "mistral_window"), "input_ids")
                                .toType(DataType.INT64, false);
                CausalLm model =
                        CausalLm.load(
                                Fixtures.CHECKPOINTS.resolve("mistral_window"), options, manager);
                try (KvCache cache = model.newCache(manager, 2, 300)) {
                    model.prefill(ids.get(":, :200"), cache, new PrefillOptions());
                    NDArray expected = model.decode(ids.get(":, 200:201"), cache);
                    cache.trimTo(200);
                    for (int layer = 0; layer < 2; ++layer) {
                        // The query at 200 sees the 64 keys from 137 on.
                        for (NDArray array :
                                List.of(
                                        cache.keys(manager, layer, 0, 137),
                                        cache.values(manager, layer, 0, 137))) {
                            NDArray nothing =
                                    manager.full(array.getShape(), Float.NaN, DataType.FLOAT32);
                            LibTorch.get().copy(nothing, array);
                        }
                    }
                    NDArray found = model.decode(ids.get(":, 200:201"), cache);
                    Assert.assertEquals(found.toFloatArray(), expected.toFloatArray());
                    NDArray last = cache.keys(manager, 0, 137, 138);
                    LibTorch.get().copy(manager.zeros(last.getShape(), DataType.FLOAT32), last);
                    cache.trimTo(200);
                    NDArray other = model.decode(ids.get(":, 200:201"), cache);
                    Assert.assertNotEquals(other.toFloatArray(), expected.toFloatArray());
                }
            }
        }
    }

    /** Queries, keys and values that lie in one tensor are views of it. */
    @Test
    public void fusedWeightsAreNotCopied() throws Exception {
        Path folder = Fixtures.CHECKPOINTS.resolve("phi3_fused");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            DecoderConfig config = DecoderConfig.read(folder);
            DecoderLayer layer =
                    CausalLmWeights.read(
                                    Checkpoint.open(folder), config, TorchType.BFLOAT16, manager)
                            .layers()
                            .get(1);
            SelfAttention attention = layer.attention();
            follows(attention.q(), attention.k());
            follows(attention.k(), attention.v());
            follows(layer.mlp().gate(), layer.mlp().up());
        }
    }

    private static void follows(Linear first, Linear second) {
        long bytes = first.weight().size() * TorchType.BFLOAT16.bytes();
        Assert.assertEquals(
                LibTorch.get().dataPointer(second.weight()),
                LibTorch.get().dataPointer(first.weight()) + bytes);
    }

    @DataProvider
    public Object[][] denseLayers() {
        // attention.layers, and how many of the two layers skip blocks
        return new Object[][] {{null, 2}, {"0", 1}, {"1", 1}, {"0,1", 0}, {" 0 - 1 ", 0}};
    }

    @Test(dataProvider = "denseLayers")
    public void namedLayersAreDense(String layers, int sparseLayers) throws Exception {
        PbsConfig sparse =
                PbsConfig.builder()
                        .optBlockSize(32)
                        .optSegmentSize(32)
                        .optThreshold(0)
                        .optForceFirstBlock(false)
                        .optMinLength(0)
                        .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            ModelOptions options = new ModelOptions().optPbsConfig(sparse);
            if (layers != null) {
                options.optDenseLayers(layers);
            }
            CausalLm model = CausalLm.load(Fixtures.CHECKPOINTS.resolve("llama"), options, manager);
            NDArray ids = manager.ones(new Shape(1, 320), DataType.INT64);
            try (KvCache cache = model.newCache(manager, 1, 320)) {
                PrefillResult result = model.prefill(ids, cache, new PrefillOptions());
                // Sparse layers keep the diagonal and one block before it, dense ones the triangle.
                double kept = sparseLayers * 19 + (2 - sparseLayers) * 55;
                Assert.assertEquals(result.report().density(), kept / 110, 1e-12);
            }
        }
    }

    /** A model that shares weights runs as its own options say, and gives the same logits. */
    @Test
    public void sharedWeightsRunBothWays() throws Exception {
        ModelOptions dense = new ModelOptions().optAttention(AttentionKind.DENSE);
        Path folder = Fixtures.CHECKPOINTS.resolve("llama");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm sparse = CausalLm.load(folder, new ModelOptions(), manager);
            CausalLm shared = sparse.sharing(dense);
            Assert.assertEquals(shared.attention(), AttentionKind.DENSE);
            Assert.assertEquals(sparse.attention(), AttentionKind.PBS);
            Assert.assertEquals(shared.dtype(), sparse.dtype());
            CausalLm alone = CausalLm.load(folder, dense, manager);
            Assert.assertEquals(lastLogits(manager, shared), lastLogits(manager, alone));
            TorchType other =
                    sparse.dtype() == TorchType.FLOAT32 ? TorchType.BFLOAT16 : TorchType.FLOAT32;
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> sparse.sharing(new ModelOptions().optDtype(other)));
            Assert.assertTrue(e.getMessage().contains(other.toString()), e.getMessage());
        }
    }

    private static float[] lastLogits(NDManager manager, CausalLm model) {
        NDArray ids = manager.arange(1, 41).toType(DataType.INT64, false).reshape(1, 40);
        try (KvCache cache = model.newCache(manager, 1, 40)) {
            return model.prefill(ids, cache, new PrefillOptions()).logits().toFloatArray();
        }
    }

    @Test
    public void layersThatAreNotThereAreNamed() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            refused(
                    "attention.layers: expected layers from 0 to 1, found 2",
                    () ->
                            CausalLm.load(
                                    Fixtures.CHECKPOINTS.resolve("llama"),
                                    new ModelOptions().optDenseLayers("0-2"),
                                    manager));
        }
    }

    @DataProvider
    public Object[][] limits() {
        return new Object[][] {
            {"llama", 4096},
            {"llama31_rope", 4096},
            {"llama_linear_rope", 4096},
            {"llama_dynamic_rope", 384},
            {"qwen2_yarn", 512},
            {"phi3_longrope_window", 1024}
        };
    }

    /** How long a sequence may be: stretched frequencies are made for more. */
    @Test(dataProvider = "limits")
    public void maxPositionsCountTheStretch(String name, int expected) throws Exception {
        Path folder = Fixtures.CHECKPOINTS.resolve(name);
        Assert.assertEquals(DecoderConfig.read(folder).maxPositions(), expected);
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
            refused("batch", () -> model.newCache(manager, 0, 5));
            refused("logitPositions", () -> new PrefillOptions().optLogitPositions());
            refused("(batch, tokens)", () -> CausalLm.checkedLength(manager.create(3L)));
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

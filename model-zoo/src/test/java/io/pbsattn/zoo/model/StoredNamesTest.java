package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.google.gson.JsonArray;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.StoredTensors;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.Test;

/** Checkpoints whose tensors have other names, types or company than a model needs. */
public class StoredNamesTest {

    private static final String TIED = "llama_tied_shards";
    private static final String EMBEDDING = "model.embed_tokens.weight";
    private static final String HEAD = "lm_head.weight";
    private static final String INDEX = "model.safetensors.index.json";
    private static final int VOCABULARY = 512;
    private static final long[] IDS = {0, 7, 300, 12, 511, 4};

    private static float[] logits(Path folder) throws Exception {
        ModelOptions options = new ModelOptions().optDtype(TorchType.FLOAT32);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(folder, options, manager);
            KvCache cache = model.newCache(manager, 1, 16);
            NDArray ids = manager.create(IDS).reshape(1, -1);
            float[] logits =
                    model.prefill(ids, cache, new PrefillOptions()).logits().toFloatArray();
            return Arrays.copyOfRange(logits, logits.length - VOCABULARY, logits.length);
        }
    }

    /** A copy of the golden checkpoint with all tensors in one file. */
    private static Path written(StoredTensors stored) throws IOException {
        Path folder = Fixtures.copyOf(TIED);
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(f -> f.toString().contains(".safetensors")).toList()) {
                Files.delete(file);
            }
        }
        stored.write(folder.resolve("model.safetensors"));
        return folder;
    }

    private static StoredTensors golden() throws IOException {
        return StoredTensors.read(Fixtures.CHECKPOINTS.resolve(TIED));
    }

    /** Saved from the model without its head, as embedding models are. */
    @Test
    public void namesWithoutTheModelAreTaken() throws Exception {
        float[] expected = logits(Fixtures.CHECKPOINTS.resolve(TIED));
        StoredTensors stored = golden();
        for (String name : List.copyOf(stored.tensors().keySet())) {
            stored.tensors().put(name.substring("model.".length()), stored.tensors().remove(name));
        }
        Path folder = written(stored);
        Assert.assertEquals(logits(folder), expected);
        stored.tensors().remove("norm.weight");
        Path without = written(stored);
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> logits(without));
        Assert.assertTrue(e.getMessage().contains("'model.norm.weight' is missing"));
        Assert.assertTrue(e.getMessage().contains("embed_tokens.weight"), e.getMessage());
    }

    @Test
    public void otherTensorsAreLeftAlone() throws Exception {
        StoredTensors stored = golden();
        Map<String, Integer> others = Map.of("F8_E4M3", 1, "U16", 2, "U32", 4, "U64", 8, "F32", 0);
        for (Map.Entry<String, Integer> other : others.entrySet()) {
            JsonArray shape = new JsonArray();
            shape.add(other.getValue() == 0 ? 0 : 1);
            stored.tensors()
                    .put(
                            "model.other." + other.getKey(),
                            new StoredTensors.Tensor(
                                    other.getKey(), shape, new byte[other.getValue()]));
        }
        Assert.assertEquals(logits(written(stored)), logits(Fixtures.CHECKPOINTS.resolve(TIED)));
    }

    /** An index may be older than its shards. */
    @Test
    public void anIndexMayNameMoreOrLess() throws Exception {
        Path folder = Fixtures.copyOf(TIED);
        Path index = folder.resolve(INDEX);
        String shard = "\": \"model-00001-of-00004.safetensors\"";
        Fixtures.replace(
                index,
                "\"weight_map\": {",
                "\"weight_map\": {\"lm_head.weight"
                        + shard
                        + ", \"model.layers.0.self_attn.rotary_emb.inv_freq"
                        + shard
                        + ",");
        // A tensor that the index does not name, and one that it names in another shard.
        String text = Files.readString(index);
        text = text.replaceFirst("\"model.norm.weight\": \"[^\"]*\",?", "");
        text = text.replaceAll(",\\s*}", "}");
        text =
                text.replaceFirst(
                        "(\"model.layers.1.mlp.up_proj.weight\": \")[^\"]*",
                        "$1model-00001-of-00004.safetensors");
        Files.writeString(index, text);
        Assert.assertEquals(logits(folder), logits(Fixtures.CHECKPOINTS.resolve(TIED)));
    }

    /** As in transformers 5.17: a head that differs from the embeddings is not tied to them. */
    @Test
    public void aHeadOfItsOwnCounts() throws Exception {
        StoredTensors stored = golden();
        StoredTensors.Tensor table = stored.tensors().get(EMBEDDING);
        int row = table.data().length / table.shape().get(0).getAsInt();
        byte[] moved = table.data().clone();
        System.arraycopy(table.data(), 0, moved, row, moved.length - row);
        System.arraycopy(table.data(), moved.length - row, moved, 0, row);
        stored.tensors().put(HEAD, new StoredTensors.Tensor(table.dtype(), table.shape(), moved));
        Path folder = written(stored);
        float[] tied = logits(Fixtures.CHECKPOINTS.resolve(TIED));
        float[] own = logits(folder);
        // Each logit is that of the token before.
        int last = tied.length - 1;
        List<Float> expected = new ArrayList<>();
        expected.add(tied[last]);
        for (int i = 0; i < last; ++i) {
            expected.add(tied[i]);
        }
        for (int i = 0; i <= last; ++i) {
            Assert.assertEquals(own[i], expected.get(i), 1e-4f * max(tied));
        }
        stored.tensors().put(HEAD, table);
        Assert.assertEquals(logits(written(stored)), tied);
    }

    private static float max(float[] values) {
        float max = 0;
        for (float value : values) {
            max = Math.max(max, Math.abs(value));
        }
        return max;
    }

    /** Quantized weights are refused by name, with and without a word in config.json. */
    @Test
    public void quantizedWeightsAreRefused() throws Exception {
        StoredTensors stored = golden();
        StoredTensors.Tensor norm = stored.tensors().get("model.norm.weight");
        int size = norm.shape().get(0).getAsInt();
        byte[] bytes = Arrays.copyOf(norm.data(), size);
        stored.tensors()
                .put("model.norm.weight", new StoredTensors.Tensor("F8_E4M3", norm.shape(), bytes));
        Path folder = written(stored);
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> logits(folder));
        Assert.assertTrue(
                e.getMessage().contains("'model.norm.weight': expected float32"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("F8_E4M3"), e.getMessage());
        Fixtures.replace(
                folder.resolve("config.json"),
                "\"use_cache\"",
                "\"quantization_config\": {\"quant_method\": \"fp8\"}, \"use_cache\"");
        CheckpointException byConfig =
                Assert.expectThrows(CheckpointException.class, () -> logits(folder));
        Assert.assertTrue(byConfig.getMessage().contains("fp8"), byConfig.getMessage());
    }
}

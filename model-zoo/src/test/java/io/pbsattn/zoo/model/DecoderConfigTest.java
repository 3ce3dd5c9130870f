package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDManager;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.generate.GenerationConfig;
import io.pbsattn.zoo.text.JsonMutator;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Configurations that must not be taken for something else. */
public class DecoderConfigTest {

    @DataProvider
    public Object[][] spoiled() {
        return new Object[][] {
            {
                "\"model_type\": \"llama\"",
                "\"model_type\": \"mamba\"",
                "expected one of llama, mistral, ministral, qwen2, qwen3, phi3, found \"mamba\""
            },
            {"\"rope_type\": \"default\"", "\"rope_type\": \"spiral\"", "found \"spiral\""},
            {"\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "found \"gelu\""},
            {
                "\"vocab_size\": 512",
                "\"vocab\": 512",
                "model.embed_tokens.weight': expected shape (32000, 128)"
            },
            {
                "\"vocab_size\": 512",
                "\"vocab_size\": \"512\"",
                "'vocab_size': expected a number, found"
            },
            {
                "\"head_dim\": 32",
                "\"head_dim\": 2147483646",
                "'head_dim': expected an integer from 1 to 16384"
            },
            {
                "\"num_hidden_layers\": 2",
                "\"num_hidden_layers\": 2000000000",
                "'num_hidden_layers': expected an integer from 1 to 10000"
            },
            {
                "\"vocab_size\": 512",
                "\"vocab_size\": -4",
                "'vocab_size': expected an integer from 1 to"
            },
            {"\"vocab_size\": 512", "\"vocab_size\": \"many\"", "'vocab_size': expected a number"},
            {
                "\"vocab_size\": 512",
                "\"vocab_size\": 513",
                "model.embed_tokens.weight': expected shape (513, 128)"
            },
            {
                "\"num_key_value_heads\": 2",
                "\"num_key_value_heads\": 3",
                "a divisor of num_attention_heads 4"
            },
            {
                "\"num_hidden_layers\": 2",
                "\"num_hidden_layers\": 3",
                "'model.layers.2.input_layernorm.weight' is missing"
            },
            {
                "\"intermediate_size\": 256",
                "\"intermediate_size\": 128",
                "mlp.gate_proj.weight': expected shape"
            },
            {"\"head_dim\": 32", "\"head_dim\": 31", "an even number"},
            {"\"mlp_bias\": false", "\"mlp_bias\": 0", "true or false"},
            {"\"mlp_bias\": false", "\"mlp_bias\": true", "mlp.gate_proj.bias' is missing"},
            {
                "\"mlp_bias\": false",
                "\"quantization_config\": {}",
                "'quantization_config': expected none: quantized checkpoints are not supported"
            }
        };
    }

    @Test(dataProvider = "spoiled")
    public void whatIsNotSupportedIsNamed(String from, String to, String word) throws Exception {
        Path folder = Fixtures.withConfig("llama", from, to);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CheckpointException e =
                    Assert.expectThrows(
                            CheckpointException.class,
                            () -> CausalLm.load(folder, new ModelOptions(), manager));
            Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
        }
    }

    @DataProvider
    public Object[][] spoiledFamilies() {
        String type = "\"model_type\": \"llama\"";
        String bias = "\"mlp_bias\": false";
        String rope = "\"rope_type\": \"default\"";
        return new Object[][] {
            {
                "llama",
                type,
                "\"model_type\": \"mixtral\", \"num_local_experts\": 8",
                "'num_local_experts': expected none: mixtures of experts"
            },
            {
                "llama",
                type,
                "\"model_type\": \"qwen3_moe\", \"num_experts\": 128",
                "'num_experts': expected none: mixtures of experts"
            },
            {
                "llama",
                type,
                "\"model_type\": \"deepseek_v3\", \"n_routed_experts\": 256",
                "'n_routed_experts': expected none: mixtures of experts"
            },
            {
                "llama",
                type,
                "\"model_type\": \"gemma2\", \"final_logit_softcapping\": 30.0",
                "'final_logit_softcapping': expected none: capped logits"
            },
            {
                "llama",
                bias,
                "\"attn_logit_softcapping\": 50.0",
                "'attn_logit_softcapping': expected none: capped logits"
            },
            {
                "llama",
                type,
                "\"model_type\": \"gemma\", \"hidden_activation\": \"gelu_pytorch_tanh\"",
                "'hidden_activation': expected silu"
            },
            {
                "llama",
                rope,
                rope + ", \"partial_rotary_factor\": 0.5",
                "'partial_rotary_factor': expected 1, as all of a head rotates in models of type"
                        + " llama"
            },
            {
                "llama",
                "\"rope_theta\": 10000.0",
                "\"rope_theta\": -1",
                "'rope_theta': expected a number above 1"
            },
            {
                "llama",
                rope,
                "\"rope_type\": \"linear\"",
                "rope_parameters: key 'factor' is missing"
            },
            {
                "llama",
                rope,
                "\"rope_type\": \"dynamic\", \"factor\": 0",
                "'factor': expected a positive number"
            },
            {
                "llama",
                rope,
                "\"full_attention\": {\"rope_type\": \"default\"}",
                "'rope_parameters': expected the same parameters for every layer"
            },
            {
                "llama",
                "\"num_attention_heads\": 4",
                "\"num_attention_heads\": 2.5",
                "'num_attention_heads': expected an integer from 1 to"
            },
            {
                "mistral_window",
                "\"sliding_window\": 64",
                "\"sliding_window\": 0",
                "'sliding_window': expected a positive integer"
            },
            {"phi3_longrope_window", "24.0", "24.0, 25.0", "'long_factor': expected 12 numbers"},
            {"phi3_longrope_window", "24.0", "\"24\"", "'long_factor': expected a list of numbers"},
            {
                "phi3_longrope_window",
                "24.0",
                "0.0",
                "'rope_parameters': expected numbers that give finite frequencies"
            },
            {
                "qwen2_yarn",
                "\"factor\": 8.0",
                "\"factor\": 8.0, \"beta_fast\": -1",
                "'rope_parameters': expected numbers that give finite frequencies"
            },
            {
                "phi3_longrope_window",
                "\"partial_rotary_factor\": 0.75",
                "\"partial_rotary_factor\": 0.72",
                "'partial_rotary_factor': expected a part of head_dim 32"
            },
            {
                "phi3_fused",
                "\"num_key_value_heads\": 2",
                "\"num_key_value_heads\": 4",
                "qkv_proj.weight': expected shape (384, 128)"
            },
            {
                "qwen2_bias",
                "\"full_attention\",",
                "\"sliding_attention\",",
                "'layer_types': expected 2 times full_attention, since no sliding window is in use"
            },
            {
                "qwen3_window_shards",
                "\"full_attention\",",
                "\"chunked_attention\",",
                "'layer_types': expected 3 times full_attention or sliding_attention"
            },
            {"qwen3_window_shards", "\"full_attention\",", "", "'layer_types': expected 3 times"},
            {
                "qwen3_window_shards",
                "\"max_window_layers\": 1",
                "\"max_window_layers\": -1",
                "'max_window_layers': expected 0 or a positive integer"
            },
            {
                "qwen3_qknorm",
                "\"head_dim\": 64",
                "\"head_dim\": 32",
                "q_proj.weight': expected shape (128, 128)"
            },
        };
    }

    @Test(dataProvider = "spoiledFamilies")
    public void whatAFamilyCannotBeIsNamed(String name, String from, String to, String word)
            throws Exception {
        Path folder = Fixtures.withConfig(name, from, to);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CheckpointException e =
                    Assert.expectThrows(
                            CheckpointException.class,
                            () -> CausalLm.load(folder, new ModelOptions(), manager));
            Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
            Assert.assertTrue(e.getMessage().contains(folder.toString()), e.getMessage());
        }
    }

    @DataProvider
    public Object[][] windows() {
        String stated = "\"sliding_window\": 64";
        String mistral = "\"model_type\": \"mistral\"";
        String ministral = "\"model_type\": \"ministral\"";
        return new Object[][] {
            {"mistral_window", stated, "\"sliding_window\": 64", List.of(64, 64)},
            {"mistral_window", stated, "\"sliding_window\": null", List.of(0, 0)},
            {"mistral_window", stated, "\"other\": 1", List.of(4096, 4096)},
            // transformers heeds layer_types in Ministral and not in Mistral.
            {
                "mistral_window",
                mistral,
                mistral + ", \"layer_types\": [\"full_attention\", \"sliding_attention\"]",
                List.of(64, 64)
            },
            {
                "mistral_window",
                mistral,
                ministral + ", \"layer_types\": [\"full_attention\", \"sliding_attention\"]",
                List.of(0, 64)
            },
            {"mistral_window", mistral, ministral, List.of(64, 64)},
            {"phi3_fused", "\"sliding_window\": null", "\"sliding_window\": 7", List.of(7, 7)},
            {"phi3_fused", "\"sliding_window\": null", "\"other\": 1", List.of(0, 0)},
            {
                "qwen3_window_shards",
                "\"max_window_layers\": 1",
                "\"max_window_layers\": 2",
                List.of(0, 40, 40)
            },
            {"llama", "\"use_cache\": true", "\"sliding_window\": 9", List.of(0, 0)},
        };
    }

    /** As transformers reads them; layer_types counts for more than max_window_layers. */
    @Test(dataProvider = "windows")
    public void windowsAreThoseOfTransformers(
            String name, String from, String to, List<Integer> expected) throws Exception {
        Assert.assertEquals(
                DecoderConfig.read(Fixtures.withConfig(name, from, to)).windows(), expected);
    }

    /** What transformers takes, and what it means there. */
    @Test
    public void harmlessKeysAreTaken() throws Exception {
        for (String harmless :
                List.of(
                        "\"num_experts\": 0",
                        "\"num_local_experts\": 1",
                        "\"quantization_config\": null",
                        "\"final_logit_softcapping\": null",
                        "\"torch_dtype\": \"torch.float32\"",
                        "\"torch_dtype\": \"float\"",
                        "\"hidden_activation\": \"swish\"",
                        "\"pad_token_id\": -1")) {
            Path folder =
                    Fixtures.withConfig(
                            "llama", "\"mlp_bias\": false", "\"mlp_bias\": false, " + harmless);
            Fixtures.replace(folder.resolve("config.json"), "\"dtype\"", "\"other\"");
            Assert.assertEquals(
                    DecoderConfig.read(folder).storedType(), TorchType.FLOAT32, harmless);
        }
    }

    @DataProvider
    public Object[][] families() {
        return new Object[][] {
            {"llama", 32_000, 4096, 11_008, 32, 128, 2048},
            {"mistral", 32_000, 4096, 14_336, 8, 128, 131_072},
            {"ministral", 32_000, 4096, 14_336, 8, 128, 131_072},
            {"qwen2", 151_936, 4096, 22_016, 32, 128, 32_768},
            {"qwen3", 151_936, 4096, 22_016, 32, 128, 32_768},
            {"phi3", 32_064, 3072, 8192, 32, 96, 4096},
        };
    }

    /** The defaults of the configuration classes of transformers 5.17. */
    @Test(dataProvider = "families")
    public void missingKeysAreThoseOfTransformers(
            String family, int vocab, int hidden, int wide, int kvHeads, int headDim, int positions)
            throws Exception {
        Path folder = Files.createTempDirectory("config");
        Files.writeString(
                folder.resolve("config.json"),
                "{\"model_type\": \"" + family + "\", \"max_sequence_length\": 77}");
        DecoderConfig config = DecoderConfig.read(folder);
        Assert.assertEquals(config.vocabSize(), vocab);
        Assert.assertEquals(config.hiddenSize(), hidden);
        Assert.assertEquals(config.intermediateSize(), wide);
        Assert.assertEquals(config.numLayers(), 32);
        Assert.assertEquals(config.numQHeads(), 32);
        Assert.assertEquals(config.numKvHeads(), kvHeads);
        Assert.assertEquals(config.headDim(), headDim);
        Assert.assertEquals(config.maxPositions(), positions);
        Assert.assertFalse(config.tiedEmbeddings());
    }

    /** Whatever a configuration says, it is read or refused by name, and fills no memory. */
    @Test
    public void spoiltConfigurationsAreNamed() throws Exception {
        Random random = new Random(11);
        List<JsonObject> seeds = new ArrayList<>();
        for (String name : List.of("llama31_rope", "phi3_fused", "qwen3_window_shards")) {
            Path config = Fixtures.CHECKPOINTS.resolve(name).resolve("config.json");
            seeds.add(JsonParser.parseString(Files.readString(config)).getAsJsonObject());
        }
        JsonMutator mutator = new JsonMutator(random, JsonMutator.words(seeds));
        Path folder = Files.createTempDirectory("config");
        Path file = folder.resolve("config.json");
        int refused = 0;
        for (int n = 0; n < 3000; ++n) {
            String text = mutator.mutate(seeds.get(n % seeds.size()));
            Files.write(file, text.getBytes(StandardCharsets.UTF_8));
            try {
                DecoderConfig.read(folder);
                GenerationConfig.read(folder);
            } catch (CheckpointException e) {
                ++refused;
                Assert.assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
            }
        }
        Assert.assertTrue(refused > 500 && refused < 3000, "refused " + refused);
    }

    @Test
    public void missingFilesAreNamed() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            for (String file : new String[] {"config.json", "model.safetensors"}) {
                Path folder = Fixtures.copyOf("llama");
                Files.delete(folder.resolve(file));
                CheckpointException e =
                        Assert.expectThrows(
                                CheckpointException.class,
                                () -> CausalLm.load(folder, new ModelOptions(), manager));
                Assert.assertTrue(e.getMessage().contains(file), e.getMessage());
            }
        }
    }

    @Test
    public void linearRopeStretchesPositions() throws Exception {
        Path folder =
                Fixtures.withConfig(
                        "llama",
                        "\"rope_type\": \"default\"",
                        "\"rope_type\": \"linear\", \"factor\": 4.0");
        RopeConfig linear = DecoderConfig.read(folder).rope();
        RopeConfig plain = DecoderConfig.read(Fixtures.copyOf("llama")).rope();
        float[] stretched = linear.inverseFrequencies(32);
        float[] expected = plain.inverseFrequencies(32);
        for (int i = 0; i < expected.length; ++i) {
            Assert.assertEquals(stretched[i], expected[i] / 4);
        }
    }

    @Test
    public void optionsAreChecked() {
        ModelOptions options =
                ModelOptions.of(
                        Map.of(
                                "attention", "dense",
                                "attention.threshold", "0.5",
                                "attention.block_size", "64",
                                "attention.segment_size", "512",
                                "attention.min_length", "1000",
                                "attention.layers", "0, 3-5",
                                "attention.backend", "reference",
                                "dtype", "float32",
                                "rope.rounded_frequencies", "true",
                                "engine", "PyTorch"));
        Assert.assertEquals(options.attention(), AttentionKind.DENSE);
        Assert.assertEquals(options.pbsConfig().threshold(), 0.5);
        Assert.assertEquals(options.pbsConfig().blockSize(), 64);
        Assert.assertEquals(options.pbsConfig().segmentSize(), 512);
        Assert.assertEquals(options.pbsConfig().minLength(TorchType.FLOAT32), 1000);
        Assert.assertTrue(options.denseLayers().contains(4));
        Assert.assertFalse(options.denseLayers().contains(2));
        Assert.assertEquals(options.backend(), "reference");
        for (String layers : List.of("", "all", "0,", "3-1", "-1", "1.5", "99999999999", "[0]")) {
            refused("attention.layers: expected layers like", Map.of("attention.layers", layers));
        }
        Assert.assertTrue(options.roundedFrequencies());
        refused("pbs or dense", Map.of("attention", "sparse"));
        refused("'attention.treshold'", Map.of("attention.treshold", "0.5"));
        refused("attention.block_size", Map.of("attention.block_size", "big"));
        refused("float32 or bfloat16, found 'float16'", Map.of("dtype", "float16"));
        Assert.assertEquals(
                ModelOptions.of(Map.of("dtype", "bfloat16")).dtype(), TorchType.BFLOAT16);
        refused("true or false", Map.of("rope.rounded_frequencies", "yes"));
        refused("at least 2 tokens", Map.of("context_limit", "1"));
        refused("context_limit", Map.of("context_limit", "long"));
        Assert.assertEquals(ModelOptions.of(Map.of()).maxBatch(), 8);
        Assert.assertEquals(ModelOptions.of(Map.of("max_batch", 1)).maxBatch(), 1);
        refused("max_batch: expected at least 1", Map.of("max_batch", "0"));
        refused("max_batch: expected a number of sequences", Map.of("max_batch", "many"));
    }

    @Test
    public void backendThatCannotRunIsNamed() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            IllegalStateException e =
                    Assert.expectThrows(
                            IllegalStateException.class,
                            () ->
                                    CausalLm.load(
                                            Fixtures.CHECKPOINTS.resolve("llama"),
                                            new ModelOptions().optBackend("abacus"),
                                            manager));
            Assert.assertTrue(e.getMessage().contains("abacus"), e.getMessage());
        }
    }

    private static void refused(String word, Map<String, String> arguments) {
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class, () -> ModelOptions.of(arguments));
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
    }
}

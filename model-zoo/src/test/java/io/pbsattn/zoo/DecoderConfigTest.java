package io.pbsattn.zoo;

import ai.djl.ndarray.NDManager;
import io.pbsattn.torch.TorchType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
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
            {"\"vocab_size\": 512", "\"vocab\": 512", "'vocab_size' is missing"},
            {
                "\"vocab_size\": 512",
                "\"vocab_size\": -4",
                "'vocab_size': expected a positive integer"
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
                "quantised checkpoints are not supported"
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
                                "attention.backend", "reference",
                                "dtype", "float32",
                                "rope.rounded_frequencies", "true",
                                "engine", "PyTorch"));
        Assert.assertEquals(options.attention(), AttentionKind.DENSE);
        Assert.assertEquals(options.pbsConfig().threshold(), 0.5);
        Assert.assertEquals(options.pbsConfig().blockSize(), 64);
        Assert.assertEquals(options.pbsConfig().segmentSize(), 512);
        Assert.assertEquals(options.pbsConfig().minLength(TorchType.FLOAT32), 1000);
        Assert.assertEquals(options.backend(), "reference");
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

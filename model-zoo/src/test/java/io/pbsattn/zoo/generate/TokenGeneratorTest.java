package io.pbsattn.zoo.generate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.ModelOptions;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What is kept from prompt to prompt, where rotary frequencies depend on the length. */
public class TokenGeneratorTest {

    private static final double TOLERANCE = 1e-5;

    /** Below and above 100 tokens, from which on the frequencies are others. */
    private static final int[] LENGTHS = {80, 95, 98, 130, 130, 120, 90};

    @DataProvider
    public Object[][] ropeKinds() {
        return new Object[][] {
            {"llama", "", "", new int[] {0, 80, 95, 98, 129, 119, 89}},
            // Each length has frequencies of its own.
            {
                "llama_dynamic_rope",
                "\"max_position_embeddings\": 48",
                "\"max_position_embeddings\": 100",
                new int[] {0, 80, 95, 0, 129, 0, 0}
            },
            // An answer that goes beyond 100 tokens has rotated the keys of its prompt anew.
            {
                "phi3_longrope_window",
                "\"original_max_position_embeddings\": 50",
                "\"original_max_position_embeddings\": 100",
                new int[] {0, 80, 0, 98, 129, 119, 0}
            },
        };
    }

    /** Only what is the same is reused, so an answer and its cache are what they are alone. */
    @Test(dataProvider = "ropeKinds")
    public void reusesWhatIsTheSame(String name, String from, String to, int... reused)
            throws Exception {
        Path folder = Fixtures.withConfig(name, from, to);
        ModelOptions options =
                new ModelOptions().optPbsConfig(PbsConfig.DENSE).optDtype(TorchType.FLOAT32);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(folder, options, manager);
            GenerationConfig config = GenerationConfig.read(folder);
            long[] ids = new Random(31).longs(150, 0, model.vocabSize()).toArray();
            try (TokenGenerator keeping = new TokenGenerator(model, manager)) {
                for (int n = 0; n < LENGTHS.length; ++n) {
                    long[] prompt = Arrays.copyOf(ids, LENGTHS[n]);
                    TokenStream found = keeping.stream(prompt, settings(model, config, prompt));
                    long[] answer = found.rest();
                    Assert.assertEquals(found.result("").reusedTokens(), reused[n], "prompt " + n);
                    try (TokenGenerator fresh = new TokenGenerator(model, manager)) {
                        TokenStream alone = fresh.stream(prompt, settings(model, config, prompt));
                        Assert.assertEquals(answer, alone.rest(), "prompt " + n);
                        assertSameKeys(manager, found.cache(), alone.cache());
                    }
                }
            }
        }
    }

    private static GenerationSettings settings(
            CausalLm model, GenerationConfig config, long[] prompt) {
        return GenerationSettings.of(
                model,
                config,
                prompt,
                new GenerationOptions().optMaxNewTokens(12).optTemperature(1).optSeed(5));
    }

    private static void assertSameKeys(NDManager manager, KvCache found, KvCache expected) {
        int length = expected.length();
        Assert.assertEquals(found.length(), length);
        for (int layer = 0; layer < 2; ++layer) {
            NDArray keys = expected.keys(manager, layer, 0, length);
            double error =
                    found.keys(manager, layer, 0, length).sub(keys).abs().max().getFloat()
                            / keys.abs().max().getFloat();
            Assert.assertTrue(error <= TOLERANCE, "key error " + error);
        }
    }
}

package io.pbsattn.zoo.djl;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.generate.GenerationConfig;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationSettings;
import io.pbsattn.zoo.generate.TextRequest;
import io.pbsattn.zoo.generate.TokenGenerator;
import io.pbsattn.zoo.generate.TokenStream;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.WatchedOps;
import io.pbsattn.zoo.text.PromptEncoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** The model as DJL sees it: what the block gives is what the generator gives. */
public class CausalLmBlockTest {

    private static final int TOKENS = 14;
    private static final int MAX_BATCH = 3;
    private static final int PROMPTS = 7;

    private Path folder;
    private NDManager manager;
    private WatchedOps ops;
    private CausalLmBlock block;

    @BeforeMethod
    public void open() throws Exception {
        folder = Fixtures.randomTextModel();
        manager = NDManager.newBaseManager("PyTorch");
        ops = new WatchedOps(TorchType.FLOAT32);
        CausalLm model = ops.load(folder, new ModelOptions().optMaxBatch(MAX_BATCH), manager);
        block = new CausalLmBlock(model, GenerationConfig.read(folder));
    }

    @AfterMethod
    public void close() {
        manager.close();
    }

    /** The prompts of the text translators are decoded together. */
    @Test
    public void answersPromptsTogether() throws Exception {
        List<long[]> prompts = new ArrayList<>();
        List<TextRequest> requests = new ArrayList<>();
        GenerationOptions sampled =
                new GenerationOptions().optMaxNewTokens(TOKENS).optTemperature(1).optSeed(5);
        try (PromptEncoder encoder = PromptEncoder.open(folder)) {
            for (int n = 0; n < PROMPTS; ++n) {
                prompts.add(encoder.encodeRaw("the rain fell on the harbour. ".repeat(n + 1)));
                requests.add(
                        new TextRequest(
                                block.model(),
                                block.generationConfig(),
                                prompts.get(n),
                                sampled,
                                encoder.detokenizer()));
            }
            ops.rows.clear();
            NDList answers = block.forward(null, new TextPrompts(manager, requests), false);
            long steps = ops.rows.stream().filter(rows -> rows <= MAX_BATCH).count();
            List<Long> ran = List.copyOf(ops.rows);
            for (int n = 0; n < PROMPTS; ++n) {
                Assert.assertEquals(answers.get(n).toLongArray(), ids(prompts.get(n), sampled));
            }
            long alone = ops.rows.stream().skip(ran.size()).filter(rows -> rows == 1).count();
            Assert.assertTrue(steps < alone * 0.6, steps + " together, " + alone + " alone");
        }
    }

    /** With a number of tokens it generates: whole, or one id after the other. */
    @Test
    public void generatesAsManyTokensAsAreAskedFor() throws Exception {
        long[] prompt = {5, 6, 7, 8, 9};
        NDList inputs =
                new NDList(
                        manager.create(prompt, new Shape(1, prompt.length)),
                        manager.create((long) TOKENS));
        long[] whole = block.forward(null, inputs, false).singletonOrThrow().toLongArray();
        List<Long> streamed = new ArrayList<>();
        block.forwardStream(null, inputs, false)
                .forEach(list -> streamed.add(list.singletonOrThrow().toLongArray()[0]));
        Assert.assertEquals(streamed.stream().mapToLong(Long::longValue).toArray(), whole);
        Assert.assertEquals(whole, ids(prompt, new GenerationOptions().optMaxNewTokens(TOKENS)));
    }

    @Test
    public void refusesWhatIsNoPrompt() {
        NDList scalar = new NDList(manager.create(3L));
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class, () -> block.forward(null, scalar, false));
        Assert.assertTrue(e.getMessage().contains("(batch, tokens)"), e.getMessage());
    }

    private long[] ids(long[] prompt, GenerationOptions options) {
        GenerationSettings settings =
                GenerationSettings.of(block.model(), block.generationConfig(), prompt, options);
        try (TokenStream stream = TokenGenerator.once(block.model(), manager, prompt, settings)) {
            return stream.rest();
        }
    }
}

package io.pbsattn.zoo.generate;

import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDManager;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.djl.CausalLmBlockFactory;
import io.pbsattn.zoo.djl.CausalLmTranslatorFactory;
import io.pbsattn.zoo.djl.Decoders;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.text.PromptEncoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;
import org.testng.Assert;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** How answers are generated, on a model of random weights. */
public class GenerationTest {

    private static final String MESSAGE = "the rain fell on the harbour and the boats stayed in. ";
    private static final String LONG_MESSAGE = MESSAGE.repeat(8);
    private static final int TOKENS = 12;

    /** Sampling that is near to even, so that whatever shapes it shows. */
    private static final Map<String, Object> BASE =
            Map.of("do_sample", true, "seed", 7, "max_new_tokens", TOKENS, "top_k", 0);

    private Path folder;
    private NDManager manager;
    private CausalLm model;
    private TextGenerator generator;

    @BeforeClass
    public void open() throws Exception {
        folder = Fixtures.randomTextModel();
        manager = NDManager.newBaseManager("PyTorch");
        model = CausalLm.load(folder, new ModelOptions(), manager);
        generator = TextGenerator.open(model, folder, manager);
    }

    @AfterClass
    public void close() {
        generator.close();
        manager.close();
    }

    /** An answer begins with the logits of the prompt's last position, whatever else is asked. */
    @Test
    public void logitPositionsDoNotCount() {
        PrefillOptions first = new PrefillOptions().optLogitPositions(0, 2);
        GenerationOptions options = new GenerationOptions().optMaxNewTokens(TOKENS);
        String expected = generator.generate(MESSAGE, options).text();
        // Another prompt before, so that this one is run and not reused.
        generator.generate("x", options);
        Assert.assertEquals(
                generator.generate(MESSAGE, options.optPrefill(first)).text(), expected);
    }

    @DataProvider
    public Object[][] options() {
        return new Object[][] {
            {"do_sample", false, true},
            {"max_new_tokens", 5, true},
            {"temperature", 0.3, true},
            {"top_k", 3, true},
            {"top_p", 0.2, true},
            {"min_p", 0.8, true},
            {"repetition_penalty", 8, true},
            {"presence_penalty", 2, false},
            {"frequency_penalty", -2, false},
            {"seed", 8, false},
            {"stop", "e", false},
        };
    }

    /** In Java, as DJL's argument and in generation_config.json, each option changes the answer. */
    @Test(dataProvider = "options")
    public void optionCounts(String key, Object value, boolean isInFile) throws Exception {
        String without = generator.generate(MESSAGE, GenerationOptions.of(BASE)).text();
        Map<String, Object> changed = new HashMap<>(BASE);
        changed.put(key, value);
        String with = generator.generate(MESSAGE, GenerationOptions.of(changed)).text();
        Assert.assertNotEquals(with, without);
        Assert.assertEquals(predict(folder, changed), with, "as DJL's argument");
        changed.replaceAll((name, setting) -> String.valueOf(setting));
        Assert.assertEquals(predict(folder, changed), with, "as in serving.properties");
        if (isInFile) {
            Path other = Fixtures.randomTextModel();
            Map<String, Object> inFile = new HashMap<>(BASE);
            inFile.put(key, value);
            inFile.remove("seed");
            StringBuilder json = new StringBuilder("{\"eos_token_id\": 1");
            inFile.forEach((name, setting) -> json.append(", \"" + name + "\": " + setting));
            Files.writeString(other.resolve("generation_config.json"), json + "}");
            Assert.assertEquals(predict(other, Map.of("seed", 7)), with, "in the file");
        }
    }

    private static String predict(Path folder, Map<String, Object> arguments) throws Exception {
        Criteria<String, String> criteria =
                Decoders.criteria(String.class, String.class, folder)
                        .optArguments(withFactories(arguments))
                        .build();
        try (ZooModel<String, String> loaded = criteria.loadModel();
                Predictor<String, String> predictor = loaded.newPredictor()) {
            return predictor.predict(MESSAGE);
        }
    }

    private static Map<String, Object> withFactories(Map<String, Object> arguments) {
        Map<String, Object> all = new HashMap<>(arguments);
        all.put("blockFactory", CausalLmBlockFactory.class.getName());
        all.put("translatorFactory", CausalLmTranslatorFactory.class.getName());
        return all;
    }

    @Test
    public void narrowestChoiceIsGreedy() {
        String greedy = generator.generate(MESSAGE, limited()).text();
        GenerationOptions[] narrow = {
            limited().optTemperature(0),
            limited().optTemperature(3).optTopK(1),
            limited().optTemperature(3).optTopP(0),
            limited().optTemperature(3).optMinP(1),
            limited().optTemperature(3).optDoSample(false),
        };
        for (GenerationOptions options : narrow) {
            Assert.assertEquals(generator.generate(MESSAGE, options).text(), greedy);
        }
        GenerationOptions wide = limited().optTemperature(3).optSeed(1);
        Assert.assertNotEquals(generator.generate(MESSAGE, wide).text(), greedy);
    }

    @Test
    public void sameSeedSameText() {
        GenerationOptions seeded = limited().optTemperature(2).optSeed(5);
        String text = generator.generate(MESSAGE, seeded).text();
        Assert.assertEquals(generator.generate(MESSAGE, seeded).text(), text);
        GenerationOptions other = limited().optTemperature(2);
        Assert.assertNotEquals(
                generator.generate(MESSAGE, other).text(),
                generator.generate(MESSAGE, other).text());
    }

    @Test
    public void piecesAreTheText() {
        GenerationResult whole = generator.generate(MESSAGE, limited());
        StringBuilder pieces = new StringBuilder();
        int count = 0;
        try (Generation answer = generator.stream(MESSAGE, limited())) {
            while (answer.hasNext()) {
                String piece = answer.next();
                Assert.assertFalse(piece.isEmpty());
                if (count++ == 0) {
                    // A token is computed when it is asked for, not before.
                    Assert.assertTrue(answer.tokens().result("").decodeTokens() < TOKENS / 2);
                }
                pieces.append(piece);
            }
            GenerationResult result = answer.result();
            Assert.assertEquals(pieces.toString(), whole.text());
            Assert.assertEquals(result.text(), whole.text());
            Assert.assertEquals(result.finishReason(), FinishReason.LENGTH);
            Assert.assertEquals(result.decodeTokens(), TOKENS);
            Assert.assertEquals(result.promptTokens(), generator.countTokens(MESSAGE));
            Assert.assertTrue(result.firstTokenSeconds() >= result.prefillSeconds());
            Assert.assertTrue(result.prefillSeconds() > 0 && result.decodeSeconds() > 0);
            Assert.assertNotNull(result.report());
        }
        Assert.assertTrue(count > 3, "pieces: " + count);
    }

    @Test
    public void stopStringEndsAcrossTokensAndNeverShows() {
        String whole = generator.generate(MESSAGE, limited()).text();
        int checked = 0;
        for (int begin = 1; begin + 4 < whole.length(); begin += 3) {
            String stop = whole.substring(begin, begin + 4);
            int at = whole.indexOf(stop);
            if (stop.indexOf('\uFFFD') >= 0) {
                continue; // half a character now may be a whole one later
            }
            List<String> pieces = new ArrayList<>();
            GenerationResult result =
                    generator.generate(MESSAGE, limited().optStop("#~#", stop), pieces::add);
            Assert.assertEquals(String.join("", pieces), whole.substring(0, at));
            Assert.assertEquals(result.text(), whole.substring(0, at));
            Assert.assertEquals(result.finishReason(), FinishReason.STOP);
            Assert.assertTrue(result.decodeTokens() <= TOKENS);
            ++checked;
        }
        Assert.assertTrue(checked > 3, "stop strings: " + checked);
        String early = whole.substring(0, 2);
        GenerationResult result = generator.generate(MESSAGE, limited().optStop(early));
        Assert.assertEquals(result.text(), "");
        Assert.assertTrue(result.decodeTokens() < TOKENS, "nothing is generated beyond it");
    }

    @Test
    public void anyEndTokenEnds() throws Exception {
        long[] greedy = greedyIds(model, folder, MESSAGE, TOKENS);
        long last = greedy[TOKENS / 2];
        int first = (int) LongStream.of(greedy).takeWhile(id -> id != last).count();
        Path other = Fixtures.randomTextModel();
        Files.writeString(
                other.resolve("generation_config.json"),
                "{\"eos_token_id\": [1, 511, " + last + "]}");
        CausalLm ending = CausalLm.load(other, new ModelOptions(), manager);
        try (TextGenerator text = TextGenerator.open(ending, other, manager)) {
            GenerationResult result = text.generate(MESSAGE, limited());
            Assert.assertEquals(result.finishReason(), FinishReason.EOS);
            Assert.assertEquals(result.decodeTokens(), first + 1);
            Assert.assertEquals(greedyIds(ending, other, MESSAGE, TOKENS).length, first);
        }
    }

    @Test
    public void maxLengthCountsThePrompt() throws Exception {
        Path other = Fixtures.randomTextModel();
        int prompt = generator.countTokens(MESSAGE);
        Files.writeString(
                other.resolve("generation_config.json"), "{\"max_length\": " + (prompt + 3) + "}");
        CausalLm limitedModel = CausalLm.load(other, new ModelOptions(), manager);
        try (TextGenerator text = TextGenerator.open(limitedModel, other, manager)) {
            GenerationOptions none = new GenerationOptions();
            Assert.assertEquals(text.generate(MESSAGE, none).decodeTokens(), 3);
            Assert.assertEquals(text.generate(MESSAGE, limited()).decodeTokens(), TOKENS);
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> text.generate(LONG_MESSAGE, none));
            Assert.assertTrue(e.getMessage().contains("max_length"), e.getMessage());
        }
    }

    @Test
    public void listenerEndsTheAnswer() throws Exception {
        String whole = fresh(LONG_MESSAGE);
        List<String> heard = new ArrayList<>();
        GenerationResult cut =
                generator.generate(
                        LONG_MESSAGE,
                        limited(),
                        piece -> {
                            heard.add(piece);
                            return heard.size() < 2;
                        });
        Assert.assertEquals(heard.size(), 2);
        Assert.assertEquals(cut.finishReason(), FinishReason.CANCELLED);
        Assert.assertEquals(cut.text(), String.join("", heard));
        Assert.assertTrue(whole.startsWith(cut.text()));
        Assert.assertTrue(cut.decodeTokens() < TOKENS);
        assertGoesOn(whole);
    }

    @Test
    public void closingEndsTheAnswer() throws Exception {
        String whole = fresh(LONG_MESSAGE);
        Generation answer = generator.stream(LONG_MESSAGE, limited());
        Assert.expectThrows(
                IllegalStateException.class, () -> generator.stream(MESSAGE, limited()));
        answer.next();
        answer.close();
        answer.close();
        Assert.assertFalse(answer.hasNext());
        Assert.assertEquals(answer.result().finishReason(), FinishReason.CANCELLED);
        assertGoesOn(whole);
    }

    @Test
    public void cancellingFromAnotherThreadEndsTheAnswer() throws Exception {
        String whole = fresh(LONG_MESSAGE);
        try (Generation answer = generator.stream(LONG_MESSAGE, limited())) {
            answer.next();
            Thread other = new Thread(answer::cancel);
            other.start();
            other.join();
            Assert.assertEquals(answer.result().finishReason(), FinishReason.CANCELLED);
            Assert.assertTrue(answer.result().decodeTokens() < TOKENS);
        }
        assertGoesOn(whole);
    }

    @Test
    public void interruptEndsTheAnswer() throws Exception {
        String whole = fresh(LONG_MESSAGE);
        try (Generation answer = generator.stream(LONG_MESSAGE, limited())) {
            answer.next();
            Thread.currentThread().interrupt();
            GenerationResult result = answer.result();
            Assert.assertTrue(Thread.interrupted(), "whoever interrupted is not kept in the dark");
            Assert.assertEquals(result.finishReason(), FinishReason.CANCELLED);
            Assert.assertTrue(result.decodeTokens() < TOKENS);
        }
        assertGoesOn(whole);
    }

    @Test
    public void cancellingEndsThePrefill() throws Exception {
        String whole = fresh(LONG_MESSAGE);
        generator.generate("something else. " + LONG_MESSAGE, limited());
        Generation[] answer = new Generation[1];
        long[] progress = new long[2];
        PrefillOptions chunks =
                new PrefillOptions()
                        .optChunkTokens(70)
                        .optProgress(
                                (done, total) -> {
                                    progress[0] = done;
                                    progress[1] = total;
                                    if (done > total / 2) {
                                        answer[0].cancel();
                                    }
                                });
        answer[0] = generator.stream(LONG_MESSAGE, limited().optPrefill(chunks));
        Assert.assertFalse(answer[0].hasNext());
        Assert.assertTrue(progress[0] < progress[1], "not all was read");
        GenerationResult result = answer[0].result();
        Assert.assertEquals(result.finishReason(), FinishReason.CANCELLED);
        Assert.assertEquals(result.decodeTokens(), 0);
        Assert.assertEquals(result.text(), "");
        Assert.assertNull(result.report());
        assertGoesOn(whole);
    }

    @Test
    public void failingListenerLeavesAUsableGenerator() throws Exception {
        String whole = fresh(LONG_MESSAGE);
        PrefillOptions failing =
                new PrefillOptions()
                        .optProgress(
                                (done, total) -> {
                                    throw new UnsupportedOperationException("enough");
                                });
        Assert.expectThrows(
                UnsupportedOperationException.class,
                () -> generator.generate("new " + LONG_MESSAGE, limited().optPrefill(failing)));
        assertGoesOn(whole);
    }

    /** What was generated stays in the cache for a prompt that goes on with it. */
    @Test
    public void answerIsReused() throws Exception {
        long[] prompt = ids(LONG_MESSAGE);
        long[] answer = greedyIds(model, folder, LONG_MESSAGE, TOKENS);
        long[] next =
                LongStream.concat(
                                LongStream.concat(LongStream.of(prompt), LongStream.of(answer)),
                                LongStream.of(ids(" And then?")))
                        .toArray();
        try (TextGenerator keeping = TextGenerator.open(model, folder, manager);
                TextGenerator other = TextGenerator.open(model, folder, manager)) {
            keeping.stream(prompt, limited()).result();
            GenerationResult found = keeping.stream(next, limited()).result();
            Assert.assertEquals(found.reusedTokens(), prompt.length + TOKENS - 1);
            Assert.assertEquals(found.text(), other.stream(next, limited()).result().text());
        }
    }

    @Test
    public void messagesOfDifferentLengthsAreAnsweredAsAlone() throws Exception {
        List<String> messages =
                List.of(LONG_MESSAGE + "Why?", "rain", MESSAGE, LONG_MESSAGE + "When?");
        List<GenerationResult> results = generator.generate(messages, limited());
        Assert.assertEquals(results.size(), messages.size());
        int reused = 0;
        for (int n = 0; n < messages.size(); ++n) {
            Assert.assertEquals(results.get(n).text(), fresh(messages.get(n)));
            reused += results.get(n).reusedTokens() > 100 ? 1 : 0;
        }
        Assert.assertTrue(reused >= 1, "what two begin with is read once");
        Assert.assertEquals(generator.generate(List.of(), limited()), List.of());
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () -> generator.generate(List.of(MESSAGE, ""), limited()));
        Assert.assertTrue(e.getMessage().startsWith("message 1: "), e.getMessage());
        List<GenerationResult> sampled =
                generator.generate(
                        List.of(MESSAGE, MESSAGE), limited().optTemperature(2).optSeed(4));
        Assert.assertEquals(sampled.get(0).text(), sampled.get(1).text());
    }

    @DataProvider
    public Object[][] badSettings() {
        return new Object[][] {
            {"temperature", -0.5},
            {"temperature", "\"warm\""},
            {"top_k", -1},
            {"top_k", 2.5},
            {"top_p", 1.5},
            {"top_p", -0.1},
            {"min_p", 2},
            {"repetition_penalty", 0},
            {"max_new_tokens", 0},
            {"max_length", -4},
            {"do_sample", "\"perhaps\""},
            {"eos_token_id", "\"end\""},
            {"eos_token_id", "[1.5]"},
        };
    }

    /** Out of range in the file and as an argument, the key is named. */
    @Test(dataProvider = "badSettings")
    public void badSettingIsNamed(String key, Object value) throws Exception {
        Path other = Fixtures.randomTextModel();
        Path file = other.resolve("generation_config.json");
        String samples = key.equals("do_sample") ? "" : "\"do_sample\": true, ";
        Files.writeString(file, "{" + samples + "\"" + key + "\": " + value + "}");
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> GenerationConfig.read(other));
        Assert.assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(key), e.getMessage());
        if (!List.of("max_length", "eos_token_id").contains(key)) {
            IllegalArgumentException argument =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> GenerationOptions.of(Map.of(key, value)));
            Assert.assertTrue(argument.getMessage().startsWith(key), argument.getMessage());
        }
    }

    /** Values that only sampling reads are no fault of a folder that does not sample. */
    @Test
    public void whatIsNotUsedMayBeAnyNumber() throws Exception {
        Path other = Fixtures.randomTextModel();
        Path file = other.resolve("generation_config.json");
        Files.writeString(
                file,
                "{\"do_sample\": false, \"top_k\": -1, \"top_p\": 7, \"temperature\": -2,"
                        + " \"min_p\": null, \"eos_token_id\": [-1, 3]}");
        GenerationConfig config = GenerationConfig.read(other);
        Assert.assertEquals(config.eosTokenIds(), Set.of(3L));
        SamplingSettings settings =
                new GenerationOptions().optDoSample(true).sampling(config.defaults());
        Assert.assertEquals(settings.topK(), 50);
        Assert.assertEquals(settings.temperature(), 1.0);
    }

    /** Where neither file says a word about the end token, it is the family's. */
    @Test
    public void endTokenOfTheFamily() throws Exception {
        Path folder = Files.createTempDirectory("config");
        Path config = folder.resolve("config.json");
        Map<String, Set<Long>> expected =
                Map.of("llama", Set.of(2L), "phi3", Set.of(32_000L), "qwen3", Set.of());
        for (Map.Entry<String, Set<Long>> entry : expected.entrySet()) {
            Files.writeString(config, "{\"model_type\": \"" + entry.getKey() + "\"}");
            Assert.assertEquals(GenerationConfig.read(folder).eosTokenIds(), entry.getValue());
        }
        Files.writeString(config, "{\"model_type\": \"llama\", \"eos_token_id\": null}");
        Assert.assertEquals(GenerationConfig.read(folder).eosTokenIds(), Set.of());
    }

    @Test
    public void badArgumentsAreNamed() throws Exception {
        Object[][] bad = {
            {"presence_penalty", 3},
            {"frequency_penalty", Double.NaN},
            {"temperature", Double.POSITIVE_INFINITY},
            {"seed", "x"},
            {"stop", ""},
            {"stop", List.of("a", "")},
            {"stop", 3},
        };
        for (Object[] pair : bad) {
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> GenerationOptions.of(Map.of((String) pair[0], pair[1])));
            Assert.assertTrue(e.getMessage().startsWith((String) pair[0]), e.getMessage());
        }
        Path other = Fixtures.randomTextModel();
        Files.writeString(
                other.resolve("generation_config.json"),
                "{\"do_sample\": true, \"temperature\": 0.0}");
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> GenerationConfig.read(other));
        Assert.assertTrue(e.getMessage().contains("temperature"), e.getMessage());
    }

    /** As transformers does: where the folder samples and names no top_k, it is 50. */
    @Test
    public void defaultsAreThoseOfTransformers() {
        GenerationOptions none = new GenerationOptions();
        SamplingSettings settings = none.sampling(none);
        Assert.assertFalse(settings.doSample());
        Assert.assertEquals(settings.temperature(), 1.0);
        Assert.assertEquals(settings.topK(), 50);
        Assert.assertEquals(settings.topP(), 1.0);
        Assert.assertEquals(settings.minP(), 0.0);
        Assert.assertEquals(settings.repetitionPenalty(), 1.0);
        Assert.assertTrue(new GenerationOptions().optTopP(0.9).sampling(none).doSample());
        Assert.assertFalse(new GenerationOptions().optTemperature(0).sampling(none).doSample());
    }

    private static GenerationOptions limited() {
        return new GenerationOptions().optMaxNewTokens(TOKENS);
    }

    /** The greedy answer of a generator that has answered nothing before. */
    private String fresh(String message) throws Exception {
        try (TextGenerator other = TextGenerator.open(model, folder, manager)) {
            return other.generate(message, limited()).text();
        }
    }

    /** The cache holds what it should: the answer is right, and what was read is not read again. */
    private void assertGoesOn(String whole) {
        GenerationResult result = generator.generate(LONG_MESSAGE, limited());
        Assert.assertEquals(result.text(), whole);
        GenerationResult again = generator.generate(LONG_MESSAGE, limited());
        Assert.assertEquals(again.text(), whole);
        Assert.assertEquals(again.reusedTokens(), again.promptTokens() - 1);
    }

    private long[] ids(String text) throws Exception {
        try (var tokenizer = PromptEncoder.openTokenizer(folder)) {
            return tokenizer.encode(text, true, false).getIds();
        }
    }

    private long[] greedyIds(CausalLm model, Path of, String message, int limit) throws Exception {
        long[] ids = ids(message);
        GenerationSettings settings =
                GenerationSettings.of(
                        model,
                        GenerationConfig.read(of),
                        ids,
                        new GenerationOptions().optMaxNewTokens(limit));
        try (TokenStream stream = TokenGenerator.once(model, manager, ids, settings)) {
            return stream.rest();
        }
    }
}

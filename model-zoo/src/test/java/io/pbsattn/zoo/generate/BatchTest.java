package io.pbsattn.zoo.generate;

import ai.djl.ndarray.NDManager;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.model.WatchedOps;
import io.pbsattn.zoo.text.Detokenizer;
import io.pbsattn.zoo.text.PromptEncoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.testng.Assert;
import org.testng.annotations.AfterMethod;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Answers that are decoded together are what they are alone, whatever becomes of the others. */
public class BatchTest {

    private static final String SENTENCE = "the rain fell on the harbour and the boats stayed in. ";
    private static final int TOKENS = 14;

    private Path folder;
    private NDManager manager;
    private WatchedOps ops;
    private CausalLm model;
    private GenerationConfig config;

    @BeforeMethod
    public void open() throws Exception {
        folder = Fixtures.randomTextModel();
        manager = NDManager.newBaseManager("PyTorch");
        load(8);
    }

    private void load(int maxBatch) throws Exception {
        ops = new WatchedOps(TorchType.FLOAT32);
        model = ops.load(folder, new ModelOptions().optMaxBatch(maxBatch), manager);
        config = GenerationConfig.read(folder);
    }

    @AfterMethod
    public void close() {
        manager.close();
    }

    private static List<String> messages(int count) {
        Random random = new Random(11);
        List<String> messages = new ArrayList<>();
        for (int n = 0; n < count; ++n) {
            messages.add((char) ('a' + n) + " " + SENTENCE.repeat(1 + random.nextInt(4)) + n + "?");
        }
        return messages;
    }

    @DataProvider
    public Object[][] maxBatches() {
        return new Object[][] {{1}, {2}, {3}, {8}, {20}};
    }

    /** More prompts than places, which end at different times and for different reasons. */
    @Test(dataProvider = "maxBatches")
    public void waitingPromptsTakeFreePlaces(int maxBatch) throws Exception {
        List<String> messages = messages(11);
        GenerationOptions plain = sampled();
        List<String> texts = new ArrayList<>();
        for (String message : messages) {
            texts.add(alone(message, plain).text());
        }
        // One answer's token ends it, and whichever else come by it.
        long[] ids = ids(messages.get(4), plain);
        Files.writeString(
                folder.resolve("generation_config.json"),
                "{\"eos_token_id\": [" + ids[TOKENS / 2] + "]}");
        load(maxBatch);
        GenerationOptions options = sampled().optStop(texts.get(2).substring(3, 5));
        List<GenerationResult> expected = new ArrayList<>();
        for (String message : messages) {
            expected.add(alone(message, options));
        }
        ops.rows.clear();
        try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
            List<GenerationResult> found = generator.generate(messages, options);
            Set<FinishReason> reasons = new HashSet<>();
            for (int n = 0; n < messages.size(); ++n) {
                Assert.assertEquals(found.get(n).text(), expected.get(n).text(), "message " + n);
                Assert.assertEquals(found.get(n).finishReason(), expected.get(n).finishReason());
                Assert.assertEquals(found.get(n).decodeTokens(), expected.get(n).decodeTokens());
                Assert.assertEquals(found.get(n).promptTokens(), expected.get(n).promptTokens());
                Assert.assertTrue(found.get(n).prefillSeconds() > 0);
                Assert.assertTrue(found.get(n).decodeSeconds() > 0);
                Assert.assertNotNull(found.get(n).report());
                reasons.add(found.get(n).finishReason());
            }
            Assert.assertEquals(
                    reasons, Set.of(FinishReason.EOS, FinishReason.STOP, FinishReason.LENGTH));
        }
        int[] tokens = expected.stream().mapToInt(GenerationResult::decodeTokens).toArray();
        int rows = Arrays.stream(tokens).sum() - tokens.length;
        long steps = decodeSteps(maxBatch);
        if (maxBatch == 1) {
            Assert.assertEquals(steps, rows);
        } else if (maxBatch >= tokens.length) {
            Assert.assertEquals(steps, Arrays.stream(tokens).max().orElseThrow() - 1);
        } else {
            Assert.assertTrue(steps >= (double) rows / maxBatch, steps + " steps for " + rows);
            Assert.assertTrue(steps < 2.0 * rows / maxBatch, steps + " steps for " + rows);
        }
    }

    /** How often two layers and the output were read for at most so many rows. */
    private long decodeSteps(int maxRows) {
        // Prompts have more rows than that, but for the one that goes through the output.
        long prompts = ops.rows.stream().filter(rows -> rows > maxRows).count() / 8;
        long calls = ops.rows.stream().filter(rows -> rows <= maxRows).count();
        return (calls - prompts) / 9;
    }

    @Test
    public void streamsMayBeReadInAnyOrder() throws Exception {
        List<String> messages = messages(5);
        List<long[]> expected = new ArrayList<>();
        for (String message : messages) {
            expected.add(ids(message, sampled()));
        }
        for (int seed = 0; seed < 12; ++seed) {
            Random random = new Random(seed);
            try (TokenGenerator generator = new TokenGenerator(model, manager)) {
                generator.begin();
                List<TokenStream> streams = new ArrayList<>();
                List<List<Long>> found = new ArrayList<>();
                for (String message : messages) {
                    streams.add(join(generator, message, sampled()));
                    found.add(new ArrayList<>());
                }
                Set<Integer> open = new HashSet<>(List.of(0, 1, 2, 3, 4));
                while (!open.isEmpty()) {
                    int n = random.nextInt(streams.size());
                    for (int run = random.nextInt(4); run >= 0 && open.contains(n); --run) {
                        if (streams.get(n).hasNext()) {
                            found.get(n).add(streams.get(n).nextLong());
                        } else {
                            open.remove(n);
                        }
                    }
                }
                for (int n = 0; n < messages.size(); ++n) {
                    Assert.assertEquals(
                            found.get(n).stream().mapToLong(Long::longValue).toArray(),
                            expected.get(n),
                            "seed " + seed + ", stream " + n);
                }
            }
        }
    }

    /** Asked in turn, all that are open share each step; none runs for nothing. */
    @Test
    public void stepsTakeAllThatWait() throws Exception {
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            generator.begin();
            List<TokenStream> streams = new ArrayList<>();
            for (String message : messages(5)) {
                streams.add(join(generator, message, sampled()));
                streams.get(streams.size() - 1).nextLong();
            }
            ops.rows.clear();
            for (int round = 0; round < 3; ++round) {
                streams.forEach(TokenStream::nextLong);
                Assert.assertEquals(new HashSet<>(ops.rows), Set.of(5L));
                Assert.assertEquals(ops.rows.size(), 9 * (round + 1));
            }
            streams.get(1).close();
            streams.get(3).cancel();
            ops.rows.clear();
            streams.get(4).nextLong();
            Assert.assertEquals(new HashSet<>(ops.rows), Set.of(3L));
            double[] seconds =
                    streams.stream().mapToDouble(s -> s.result("").decodeSeconds()).toArray();
            Assert.assertTrue(seconds[0] > 0 && seconds[2] > 0 && seconds[4] > seconds[1]);
            Assert.assertFalse(streams.get(3).hasNext());
            streams.get(0).rest();
            streams.get(2).rest();
            streams.get(4).rest();
            for (int n : new int[] {0, 2, 4}) {
                GenerationResult result = streams.get(n).result("");
                Assert.assertEquals(result.decodeTokens(), TOKENS);
                // The last token is not run.
                Assert.assertEquals(
                        streams.get(n).cache().length(), result.promptTokens() + TOKENS - 1);
            }
        }
    }

    /** A stream that has all its tokens, but has not yet been asked for more, is in no step. */
    @Test
    public void lastTokensAreNotRun() throws Exception {
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            generator.begin();
            TokenStream shorter = join(generator, "rain", sampled().optMaxNewTokens(3));
            TokenStream longer = join(generator, "boats", sampled().optMaxNewTokens(5));
            for (int round = 0; round < 3; ++round) {
                shorter.nextLong();
                longer.nextLong();
            }
            ops.rows.clear();
            longer.nextLong();
            Assert.assertEquals(new HashSet<>(ops.rows), Set.of(1L));
            Assert.assertFalse(shorter.hasNext());
            Assert.assertEquals(shorter.result("").finishReason(), FinishReason.LENGTH);
        }
    }

    @Test
    public void othersGoOnWhereOneEnds() throws Exception {
        List<String> messages = messages(4);
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            generator.begin();
            List<TokenStream> streams = new ArrayList<>();
            for (String message : messages) {
                streams.add(join(generator, message, sampled()));
            }
            for (int round = 0; round < 3; ++round) {
                streams.forEach(TokenStream::nextLong);
            }
            streams.get(0).close();
            Thread other = new Thread(streams.get(2)::cancel);
            other.start();
            other.join();
            Assert.assertEquals(streams.get(1).rest(), ids(messages.get(1), sampled()));
            Assert.assertEquals(streams.get(3).rest(), ids(messages.get(3), sampled()));
            for (int n : new int[] {0, 2}) {
                Assert.assertFalse(streams.get(n).hasNext());
                Assert.assertEquals(
                        streams.get(n).result("").finishReason(), FinishReason.CANCELLED);
                Assert.assertEquals(streams.get(n).result("").decodeTokens(), 3);
            }
            // A new one takes a place that has become free.
            Set<KvCache> caches = new HashSet<>();
            streams.forEach(stream -> caches.add(stream.cache()));
            TokenStream late = join(generator, messages.get(2), sampled());
            Assert.assertTrue(caches.contains(late.cache()));
            Assert.assertEquals(late.rest(), ids(messages.get(2), sampled()));
        }
    }

    /** A step that fails ends the answer that asked for it; the others can go on. */
    @Test
    public void failingStepEndsOnlyWhoAsked() throws Exception {
        List<String> messages = messages(3);
        List<long[]> expected = new ArrayList<>();
        for (String message : messages) {
            expected.add(ids(message, sampled()));
        }
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            generator.begin();
            List<TokenStream> streams = new ArrayList<>();
            for (String message : messages) {
                streams.add(join(generator, message, sampled()));
                streams.get(streams.size() - 1).nextLong();
            }
            ops.before =
                    rows -> {
                        throw new UnsupportedOperationException("enough");
                    };
            Assert.expectThrows(
                    UnsupportedOperationException.class, () -> streams.get(0).nextLong());
            ops.before = rows -> {};
            Assert.assertFalse(streams.get(0).hasNext());
            Assert.assertEquals(streams.get(1).rest(), expected.get(1));
            Assert.assertEquals(streams.get(2).rest(), expected.get(2));
        }
    }

    /**
     * With longrope, a sequence that outgrows the short factors has its keys computed anew before
     * the step. Where that fails, whoever asked for the step is not to blame.
     */
    @Test
    public void failingCacheEndsItsOwnAnswer() throws Exception {
        Path longrope = Fixtures.CHECKPOINTS.resolve("phi3_longrope_window");
        model = ops.load(longrope, new ModelOptions(), manager);
        config = GenerationConfig.read(longrope);
        List<long[]> prompts = new ArrayList<>();
        for (int tokens : new int[] {10, 50, 20}) {
            prompts.add(new Random(tokens).longs(tokens, 0, model.vocabSize()).toArray());
        }
        long[] first = ids(prompts.get(0), sampled());
        long[] last = ids(prompts.get(2), sampled());
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            generator.begin();
            List<TokenStream> streams = new ArrayList<>();
            for (long[] prompt : prompts) {
                streams.add(
                        generator.join(
                                prompt, GenerationSettings.of(model, config, prompt, sampled())));
                streams.get(streams.size() - 1).nextLong();
            }
            ops.rows.clear();
            ops.before =
                    rows -> {
                        if (rows == 50) {
                            throw new UnsupportedOperationException("no memory");
                        }
                    };
            Assert.assertEquals(streams.get(0).nextLong(), first[1]);
            Assert.assertEquals(new HashSet<>(ops.rows), Set.of(2L), "it was left out");
            Assert.assertEquals(streams.get(2).nextLong(), last[1]);
            ops.before = rows -> {};
            UnsupportedOperationException e =
                    Assert.expectThrows(
                            UnsupportedOperationException.class, () -> streams.get(1).nextLong());
            Assert.assertEquals(e.getMessage(), "no memory");
            Assert.assertFalse(streams.get(1).hasNext());
            Assert.assertEquals(streams.get(1).result("").decodeTokens(), 1);
            Assert.assertEquals(streams.get(0).rest(), first);
            Assert.assertEquals(streams.get(2).rest(), last);
        }
    }

    /** Whatever fails, in prompts or steps, all answers are closed and the next batch is right. */
    @Test
    public void failureLeavesAUsableGenerator() throws Exception {
        load(3);
        List<String> messages = messages(6);
        List<String> expected =
                messages.stream().map(message -> alone(message, sampled()).text()).toList();
        ops.rows.clear();
        try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
            Assert.assertEquals(texts(generator.generate(messages, sampled())), expected);
        }
        int calls = ops.rows.size();
        for (int failing = 1; failing <= calls; failing += calls / 15) {
            int[] left = {failing};
            try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
                ops.before =
                        rows -> {
                            if (--left[0] == 0) {
                                throw new UnsupportedOperationException("enough");
                            }
                        };
                Assert.expectThrows(
                        UnsupportedOperationException.class,
                        () -> generator.generate(messages, sampled()));
                ops.before = rows -> {};
                Assert.assertEquals(texts(generator.generate(messages, sampled())), expected);
            }
        }
        try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
            long[] heard = new long[1];
            PrefillOptions listening =
                    new PrefillOptions()
                            .optProgress(
                                    (done, total) -> {
                                        if (++heard[0] == 9) {
                                            throw new IllegalStateException("heard enough");
                                        }
                                    });
            Assert.expectThrows(
                    IllegalStateException.class,
                    () -> generator.generate(messages, sampled().optPrefill(listening)));
            Assert.assertEquals(texts(generator.generate(messages, sampled())), expected);
            try (Generation single = generator.stream(messages.get(5), sampled())) {
                Assert.assertEquals(single.result().text(), expected.get(5));
            }
        }
    }

    @Test
    public void interruptEndsAll() throws Exception {
        try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
            Thread.currentThread().interrupt();
            List<GenerationResult> results = generator.generate(messages(3), sampled());
            Assert.assertTrue(Thread.interrupted());
            results.forEach(r -> Assert.assertEquals(r.finishReason(), FinishReason.CANCELLED));
        }
    }

    @Test
    public void commonBeginningIsPrefilledOnce() throws Exception {
        String document = SENTENCE.repeat(12);
        int shared = encode(document).length - 2;
        List<String> messages =
                List.of(
                        document + "Why?",
                        "A word",
                        document + "When?",
                        document + "Where to?",
                        "Another " + document,
                        document + "Why not?");
        for (int maxBatch : new int[] {1, 2, 8}) {
            load(maxBatch);
            List<String> expected =
                    messages.stream().map(message -> alone(message, sampled()).text()).toList();
            ops.rows.clear();
            try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
                List<GenerationResult> results = generator.generate(messages, sampled());
                Assert.assertEquals(texts(results), expected);
                int reusing = 0;
                for (int n : new int[] {0, 2, 3, 5}) {
                    int reused = results.get(n).reusedTokens();
                    Assert.assertTrue(reused == 0 || reused >= shared, "reused " + reused);
                    reusing += reused > 0 ? 1 : 0;
                }
                Assert.assertEquals(reusing, 3, "one of four has read it");
                Assert.assertEquals(results.get(4).reusedTokens(), 0);
                long wholes = ops.rows.stream().filter(rows -> rows >= shared).count();
                Assert.assertEquals(wholes, 2 * 8, "the document, and the one that is another");
                GenerationResult next = generator.generate(document + "So?", sampled());
                Assert.assertTrue(next.reusedTokens() >= shared, "kept " + next.reusedTokens());
            }
        }
    }

    /** A cache that takes over a beginning is made for the whole prompt and what follows it. */
    @Test
    public void copiedBeginningIsCopiedOnce() throws Exception {
        String document = SENTENCE.repeat(4);
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            generator.begin();
            join(generator, document + "Why?", sampled()).nextLong();
            TokenStream second =
                    join(generator, document + "When?", sampled().optMaxNewTokens(300));
            Assert.assertTrue(second.cache().length() > 100, "copied");
            int capacity = second.cache().capacity();
            second.nextLong();
            Assert.assertEquals(second.cache().capacity(), capacity);
        }
    }

    /** What has been answered is released: one cache stays, for the prompt that comes next. */
    @Test
    public void cachesAreReleased() throws Exception {
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            List<Generation> answers = RollingBatch.answer(generator, requests(messages(9)), 4);
            Set<KvCache> caches = new HashSet<>();
            answers.forEach(answer -> caches.add(answer.tokens().cache()));
            Assert.assertEquals(caches.size(), 4, "one for each place, not for each prompt");
            Assert.assertEquals(caches.stream().filter(BatchTest::isOpen).count(), 1);
        }
    }

    private static boolean isOpen(KvCache cache) {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            cache.keys(scope, 0, 0, 1);
            return true;
        } catch (IllegalStateException e) {
            return false;
        }
    }

    /** Closing waits for the step that uses the cache; cancelling does not. */
    @Test
    public void closingFromAnotherThreadWaitsForTheStep() throws Exception {
        List<String> messages = messages(3);
        long[] expected = ids(messages.get(0), sampled());
        try (TokenGenerator generator = new TokenGenerator(model, manager)) {
            generator.begin();
            List<TokenStream> streams = new ArrayList<>();
            for (String message : messages) {
                streams.add(join(generator, message, sampled()));
                streams.get(streams.size() - 1).nextLong();
            }
            CountDownLatch inStep = new CountDownLatch(1);
            CountDownLatch goOn = new CountDownLatch(1);
            ops.before =
                    rows -> {
                        inStep.countDown();
                        try {
                            Assert.assertTrue(goOn.await(60, TimeUnit.SECONDS));
                        } catch (InterruptedException e) {
                            throw new AssertionError(e);
                        }
                    };
            long[][] found = new long[1][];
            Thread reader = new Thread(() -> found[0] = streams.get(0).rest());
            reader.start();
            Assert.assertTrue(inStep.await(60, TimeUnit.SECONDS));
            Thread closer = new Thread(streams.get(1)::close);
            closer.start();
            Thread canceller = new Thread(streams.get(2)::cancel);
            canceller.start();
            canceller.join(60_000);
            Assert.assertFalse(canceller.isAlive(), "cancelling does not wait");
            while (closer.getState() != Thread.State.BLOCKED) {
                Assert.assertTrue(closer.isAlive(), "closing has not waited for the step");
                Thread.onSpinWait();
            }
            goOn.countDown();
            closer.join(60_000);
            reader.join(60_000);
            Assert.assertEquals(found[0], expected);
            Assert.assertFalse(streams.get(1).isOpen());
            Assert.assertFalse(streams.get(2).hasNext());
        }
    }

    @Test
    public void badMessageIsNamedBeforeAnyIsAnswered() throws Exception {
        Files.writeString(folder.resolve("generation_config.json"), "{\"max_length\": 40}");
        load(4);
        ops.rows.clear();
        try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
            for (String bad : List.of("", SENTENCE.repeat(5))) {
                IllegalArgumentException e =
                        Assert.expectThrows(
                                IllegalArgumentException.class,
                                () ->
                                        generator.generate(
                                                List.of("x", "y", bad), new GenerationOptions()));
                Assert.assertTrue(e.getMessage().startsWith("message 2: "), e.getMessage());
            }
            Assert.assertEquals(ops.rows, List.of());
            try (Generation open = generator.stream("x", sampled())) {
                Assert.assertTrue(open.hasNext());
                Assert.expectThrows(
                        IllegalStateException.class,
                        () -> generator.generate(List.of("y", "z"), sampled()));
                Assert.assertFalse(open.result().text().isEmpty());
            }
        }
    }

    /** In bfloat16 too, and where prompts are long enough for kernels of many rows. */
    @Test
    public void demoModelAnswersTheSame() throws Exception {
        String[] names = {
            "amber falcon", "quiet heron", "silver otter", "golden lynx", "hollow owl"
        };
        StringBuilder document = new StringBuilder();
        for (int n = 0; n < names.length; ++n) {
            document.append(SENTENCE.repeat(3));
            document.append("The access code of the " + names[n] + " is " + 12345 * (n + 2) + ". ");
        }
        List<String> questions =
                Arrays.stream(names)
                        .map(
                                n ->
                                        document
                                                + "\nQuestion: what is the access code of the "
                                                + n
                                                + "?")
                        .toList();
        for (TorchType type : List.of(TorchType.FLOAT32, TorchType.BFLOAT16)) {
            ModelOptions options = new ModelOptions().optDtype(type);
            CausalLm retriever = CausalLm.load(Fixtures.RETRIEVER, options, manager);
            try (TextGenerator together =
                            TextGenerator.open(retriever, Fixtures.RETRIEVER, manager);
                    TextGenerator single =
                            TextGenerator.open(retriever, Fixtures.RETRIEVER, manager)) {
                GenerationOptions greedy = new GenerationOptions();
                List<String> found = texts(together.generate(questions, greedy));
                for (int n = 0; n < names.length; ++n) {
                    Assert.assertEquals(
                            found.get(n), single.generate(questions.get(n), greedy).text());
                }
                Assert.assertTrue(found.get(0).contains("24690"), found.get(0));
                Assert.assertEquals(new HashSet<>(found).size(), names.length);
            }
        }
    }

    private static GenerationOptions sampled() {
        return new GenerationOptions()
                .optMaxNewTokens(TOKENS)
                .optTemperature(1)
                .optTopK(0)
                .optSeed(23);
    }

    private static List<String> texts(List<GenerationResult> results) {
        return results.stream().map(GenerationResult::text).toList();
    }

    /** The answer of a generator that answers nothing else. */
    private GenerationResult alone(String message, GenerationOptions options) {
        try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
            return generator.generate(message, options);
        } catch (IOException | CheckpointException e) {
            throw new AssertionError(e);
        }
    }

    /** The ids of the answer of a generator that answers nothing else. */
    private long[] ids(String message, GenerationOptions options) throws Exception {
        return ids(encode(message), options);
    }

    private long[] ids(long[] prompt, GenerationOptions options) {
        GenerationSettings settings = GenerationSettings.of(model, config, prompt, options);
        try (TokenStream stream = TokenGenerator.once(model, manager, prompt, settings)) {
            return stream.rest();
        }
    }

    private TokenStream join(TokenGenerator generator, String message, GenerationOptions options)
            throws Exception {
        long[] prompt = encode(message);
        return generator.join(prompt, GenerationSettings.of(model, config, prompt, options));
    }

    private long[] encode(String text) throws Exception {
        try (var tokenizer = PromptEncoder.openTokenizer(folder)) {
            return tokenizer.encode(text, true, false).getIds();
        }
    }

    private List<TextRequest> requests(List<String> messages) throws Exception {
        PromptEncoder encoder = PromptEncoder.open(folder);
        Detokenizer detokenizer = encoder.detokenizer();
        List<TextRequest> requests = new ArrayList<>();
        for (String message : messages) {
            requests.add(new TextRequest(model, config, encode(message), sampled(), detokenizer));
        }
        return requests;
    }
}

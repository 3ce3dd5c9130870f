package io.pbsattn.zoo.djl;

import ai.djl.inference.Predictor;
import ai.djl.inference.streaming.IteratorBytesSupplier;
import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.BytesSupplier;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Blocks;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.Batchifier;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.generate.FinishReason;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.model.AttentionKind;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Models through DJL's own API, as users load them. */
public class DjlLoadingTest {

    private static final String MESSAGE =
            """
            The gate opens at seven and closes at nine.
            The access code of the amber falcon is 48213.
            Visitors sign the book at the desk.
            Question: what is the access code of the amber falcon?\
            """;

    @DataProvider
    public Object[][] attentions() {
        return new Object[][] {{"pbs"}, {"dense"}};
    }

    @Test(dataProvider = "attentions")
    public void answersText(String attention) throws Exception {
        Criteria<String, String> criteria =
                Decoders.criteria(String.class, String.class, Fixtures.RETRIEVER)
                        .optArgument("attention", attention)
                        .build();
        try (ZooModel<String, String> model = criteria.loadModel();
                Predictor<String, String> predictor = model.newPredictor()) {
            Assert.assertEquals(
                    ((CausalLmBlock) model.getBlock()).model().attention().toString(), attention);
            String answer = predictor.predict(MESSAGE);
            Assert.assertTrue(answer.contains("48213"), answer);
        }
    }

    @Test
    public void readsServingProperties() throws Exception {
        Path folder = Files.createTempDirectory("serving");
        try (Stream<Path> files = Files.list(Fixtures.RETRIEVER)) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
        Files.writeString(
                folder.resolve("serving.properties"),
                """
                engine=PyTorch
                blockFactory=io.pbsattn.zoo.djl.CausalLmBlockFactory
                attention=dense
                max_new_tokens=3
                option.hasParameter=false
                """);
        // DJL itself looks for the translator before it reads the file; DJL Serving reads it first.
        Criteria<String, String> criteria =
                Criteria.builder()
                        .setTypes(String.class, String.class)
                        .optModelPath(folder)
                        .optTranslatorFactory(new CausalLmTranslatorFactory())
                        .build();
        try (ZooModel<String, String> model = criteria.loadModel();
                Predictor<String, String> predictor = model.newPredictor()) {
            Assert.assertEquals(
                    ((CausalLmBlock) model.getBlock()).model().attention(), AttentionKind.DENSE);
            String answer = predictor.predict(MESSAGE);
            Assert.assertEquals(answer.strip(), "The access code", "three tokens");
        }
    }

    /** DJL's way to stream: an iterator whose reading drives the model. */
    @Test
    public void streamsText() throws Exception {
        String whole;
        try (ZooModel<String, GenerationResult> model = load(GenerationResult.class);
                Predictor<String, GenerationResult> predictor = model.newPredictor()) {
            GenerationResult result = predictor.predict(MESSAGE);
            whole = result.text();
            Assert.assertTrue(whole.contains("48213"), whole);
            Assert.assertEquals(result.finishReason(), FinishReason.EOS);
            Assert.assertTrue(result.promptTokens() > 20);
        }
        try (ZooModel<String, Generation> model = load(Generation.class);
                Predictor<String, Generation> predictor = model.newPredictor()) {
            Assert.assertTrue(predictor.supportsStreaming());
            List<String> pieces = new ArrayList<>();
            Generation answer = predictor.streamingPredict(MESSAGE).getIterativeOutput();
            answer.forEachRemaining(pieces::add);
            Assert.assertEquals(String.join("", pieces), whole);
            Assert.assertTrue(pieces.size() > 5, pieces.toString());
            Assert.assertEquals(answer.result().finishReason(), FinishReason.EOS);
            // An answer that is left half read is closed, and the predictor goes on.
            try (Generation left = predictor.streamingPredict(MESSAGE).getIterativeOutput()) {
                Assert.assertEquals(left.next(), pieces.get(0));
            }
            Generation atOnce = predictor.predict(MESSAGE);
            Assert.assertEquals(atOnce.next(), whole);
            Assert.assertFalse(atOnce.hasNext());
        }
        try (ZooModel<String, String> model = load(String.class);
                Predictor<String, String> predictor = model.newPredictor()) {
            Assert.assertEquals(predictor.streamingPredict(MESSAGE).getIterativeOutput(), whole);
            Assert.assertEquals(
                    predictor.batchPredict(List.of(MESSAGE, "x", MESSAGE)).get(2), whole);
        }
    }

    /** Whatever the output, a batch gives what its messages give one by one. */
    @Test
    public void batchPredictEqualsPredict() throws Exception {
        String second = MESSAGE.replace("amber falcon", "quiet heron").replace("48213", "31867");
        List<String> messages =
                List.of(MESSAGE, "Visitors", second, MESSAGE + "\nAnswer", "x".repeat(70));
        List<String> texts = new ArrayList<>();
        try (ZooModel<String, GenerationResult> model = load(GenerationResult.class);
                Predictor<String, GenerationResult> predictor = model.newPredictor()) {
            for (String message : messages) {
                texts.add(predictor.predict(message).text());
            }
            Assert.assertTrue(texts.get(2).contains("31867"), texts.get(2));
            List<GenerationResult> results = predictor.batchPredict(messages);
            Assert.assertEquals(results.stream().map(GenerationResult::text).toList(), texts);
            for (GenerationResult result : results) {
                Assert.assertTrue(result.decodeTokens() > 0 && result.promptTokens() > 0);
            }
            Assert.assertEquals(predictor.batchPredict(List.of()), List.of());
            TranslateException e =
                    Assert.expectThrows(
                            TranslateException.class,
                            () ->
                                    predictor.batchPredict(
                                            List.of("x", "1 ".repeat(40_000), MESSAGE)));
            Assert.assertTrue(hasMessage(e, "message 1: context limit"), e.toString());
            Assert.assertEquals(predictor.batchPredict(messages.subList(2, 3)).size(), 1);
            Assert.assertEquals(predictor.predict(MESSAGE).text(), texts.get(0));
        }
        try (ZooModel<String, String> model = load(String.class);
                Predictor<String, String> predictor = model.newPredictor()) {
            Assert.assertEquals(predictor.batchPredict(messages), texts);
        }
        try (ZooModel<String, Generation> model = load(Generation.class);
                Predictor<String, Generation> predictor = model.newPredictor()) {
            List<Generation> answers = predictor.batchPredict(messages);
            Assert.assertEquals(answers.stream().map(Generation::next).toList(), texts);
            answers.forEach(answer -> Assert.assertFalse(answer.hasNext()));
            answers.forEach(answer -> Assert.assertNotNull(answer.result().finishReason()));
            Generation streamed = predictor.streamingPredict(second).getIterativeOutput();
            StringBuilder pieces = new StringBuilder();
            streamed.forEachRemaining(pieces::append);
            Assert.assertEquals(pieces.toString(), texts.get(2));
        }
    }

    @Test
    @SuppressWarnings("rawtypes")
    public void batchPredictGivesIterators() throws Exception {
        String text;
        try (ZooModel<String, String> model = load(String.class);
                Predictor<String, String> predictor = model.newPredictor()) {
            text = predictor.predict(MESSAGE);
        }
        try (ZooModel<String, Iterator> model = load(Iterator.class);
                Predictor<String, Iterator> predictor = model.newPredictor()) {
            for (Iterator pieces : predictor.batchPredict(List.of(MESSAGE, MESSAGE))) {
                Assert.assertEquals(pieces.next(), text);
                Assert.assertFalse(pieces.hasNext());
            }
        }
    }

    /** Requests of one batch have options of their own, and forms of their own. */
    @Test
    public void servingAnswersBatches() throws Exception {
        try (ZooModel<Input, Output> model = serving();
                Predictor<Input, Output> predictor = model.newPredictor()) {
            JsonObject parameters = new JsonObject();
            parameters.addProperty("stop", "code of");
            JsonObject body = new JsonObject();
            body.addProperty("inputs", MESSAGE);
            body.add("parameters", parameters);
            JsonObject sampled = body.deepCopy();
            sampled.add("parameters", JsonParser.parseString("{\"temperature\": 3, \"seed\": 4}"));
            JsonObject shortened = body.deepCopy();
            shortened.add("parameters", JsonParser.parseString("{\"max_new_tokens\": 2}"));
            List<Input> requests =
                    List.of(
                            request(MESSAGE),
                            json(body.toString()),
                            json(sampled.toString()),
                            json(shortened.toString()));
            List<String> expected = new ArrayList<>();
            for (Input request : requests) {
                expected.add(predictor.predict(request).getAsString(0));
            }
            Assert.assertEquals(new HashSet<>(expected).size(), 4);
            List<Output> found = predictor.batchPredict(requests);
            for (int n = 0; n < requests.size(); ++n) {
                Assert.assertEquals(found.get(n).getAsString(0), expected.get(n));
                Assert.assertEquals(
                        found.get(n).getProperty("Content-Type", ""),
                        n == 0 ? "text/plain; charset=utf-8" : "application/json");
            }
        }
    }

    /** Requests of strangers that a server has put into one batch: what one asks wrongly. */
    @Test
    public void servingRefusesRequestsOfABatchOneByOne() throws Exception {
        try (ZooModel<Input, Output> model = serving();
                Predictor<Input, Output> predictor = model.newPredictor()) {
            String text = predictor.predict(request(MESSAGE)).getAsString(0);
            List<Input> good = List.of(request(MESSAGE), json("{\"inputs\": \"x\"}"));
            Map<Input, String> bad = new LinkedHashMap<>();
            bad.put(json("{"), "is not JSON: ");
            bad.put(json("[]"), "is not a JSON object");
            bad.put(json("{\"inputs\": 3}"), "'inputs'");
            bad.put(json("{\"inputs\": \"x\", \"a\\nb\": 1}"), "key 'a\nb'");
            bad.put(json("{\"inputs\": \"x\", \"parameters\": {\"top_p\": 7}}"), "top_p");
            bad.put(request("1 ".repeat(40_000)), "limit is 32768");
            bad.put(new Input(), "empty");
            List<Input> requests = new ArrayList<>(bad.keySet());
            requests.addAll(2, good);
            requests.add(5, request(MESSAGE));
            List<Output> found = predictor.batchPredict(requests);
            Assert.assertEquals(found.size(), requests.size());
            for (int n = 0; n < requests.size(); ++n) {
                Input request = requests.get(n);
                Output output = found.get(n);
                String expected = bad.get(request);
                if (expected == null) {
                    Assert.assertEquals(output.getCode(), 200);
                    if (request != good.get(1)) {
                        Assert.assertEquals(output.getAsString(0), text);
                    }
                    continue;
                }
                assertRefused(output, expected);
                // By itself it is refused by an exception, with the same words at its root.
                TranslateException e =
                        Assert.expectThrows(
                                TranslateException.class, () -> predictor.predict(request));
                Throwable root = e;
                while (root.getCause() != null) {
                    root = root.getCause();
                }
                assertRefused(output, root.getMessage());
            }
            // Where nothing is left to generate, and where one is.
            List<Input> wrong = List.copyOf(bad.keySet());
            predictor.batchPredict(wrong).forEach(o -> Assert.assertEquals(o.getCode(), 400));
            List<Output> two = predictor.batchPredict(List.of(wrong.get(0), request(MESSAGE)));
            Assert.assertEquals(two.get(0).getCode(), 400);
            Assert.assertEquals(two.get(1).getAsString(0), text);
        }
    }

    /** The model as a server loads it. */
    private static ZooModel<Input, Output> serving() throws Exception {
        return Decoders.criteria(Input.class, Output.class, Fixtures.RETRIEVER).build().loadModel();
    }

    private static void assertRefused(Output output, String words) {
        Assert.assertEquals(output.getCode(), 400);
        Assert.assertEquals(output.getMessage(), "Bad Request", "no line of HTTP breaks");
        Assert.assertEquals(output.getProperty("Content-Type", ""), "application/json");
        JsonObject body = JsonParser.parseString(output.getAsString(0)).getAsJsonObject();
        Assert.assertEquals(body.keySet(), Set.of("code", "type", "message"));
        Assert.assertEquals(body.get("code").getAsInt(), 400);
        Assert.assertEquals(body.get("type").getAsString(), "TranslateException");
        String message = body.get("message").getAsString();
        Assert.assertTrue(message.contains(words), message);
    }

    /** Calls that are put together behind the translator's back would lose their answers. */
    @Test
    public void callsAreNotPutTogether() throws Exception {
        try (ZooModel<String, String> model = load(String.class)) {
            Batchifier batchifier = model.getTranslator().getBatchifier();
            NDList prompts = new NDList();
            Assert.assertSame(batchifier.batchify(new NDList[] {prompts}), prompts);
            Assert.expectThrows(
                    UnsupportedOperationException.class,
                    () -> batchifier.batchify(new NDList[] {prompts, prompts}));
        }
    }

    /** Text is generated by this library's block alone. */
    @Test
    public void otherBlocksAreRefused() throws Exception {
        Path folder = Fixtures.randomTextModel();
        Files.writeString(folder.resolve("serving.properties"), "engine=PyTorch");
        Criteria<String, String> criteria =
                Criteria.builder()
                        .setTypes(String.class, String.class)
                        .optModelPath(folder)
                        .optBlock(Blocks.identityBlock())
                        .optOption("hasParameter", "false")
                        .optTranslatorFactory(new CausalLmTranslatorFactory())
                        .build();
        Exception e = Assert.expectThrows(Exception.class, criteria::loadModel);
        Assert.assertTrue(hasMessage(e, "blockFactory=io.pbsattn.zoo."), e.toString());
    }

    @Test
    public void answersRequestsOfServing() throws Exception {
        try (ZooModel<Input, Output> model = serving();
                Predictor<Input, Output> predictor = model.newPredictor()) {
            String text = predictor.predict(request(MESSAGE)).getAsString(0);
            Assert.assertTrue(text.contains("48213"), text);
            JsonObject body = new JsonObject();
            body.addProperty("inputs", MESSAGE);
            JsonObject parameters = new JsonObject();
            parameters.add("stop", JsonParser.parseString("[\"code of\", \"#\"]"));
            parameters.addProperty("temperature", 0);
            body.add("parameters", parameters);
            Output output = predictor.predict(json(body.toString()));
            Assert.assertEquals(output.getProperty("Content-Type", ""), "application/json");
            Assert.assertEquals(
                    JsonParser.parseString(output.getAsString(0)).getAsJsonObject(),
                    JsonParser.parseString(
                            "{\"generated_text\": \""
                                    + text.substring(0, text.indexOf("code of"))
                                    + "\"}"));
            parameters.addProperty("top_p", 7);
            TranslateException e =
                    Assert.expectThrows(
                            TranslateException.class,
                            () -> predictor.predict(json(body.toString())));
            Assert.assertTrue(hasMessage(e, "top_p"), e.toString());
            for (String wrong :
                    List.of("{", "[]", "{}", "{\"inputs\": 3}", "{\"inputs\": \"x\", \"y\": 1}")) {
                Assert.expectThrows(TranslateException.class, () -> predictor.predict(json(wrong)));
            }
            Assert.expectThrows(
                    TranslateException.class,
                    () ->
                            predictor.predict(
                                    json("{\"inputs\": \"x\", \"parameters\": {\"topp\": 1}}")));
            Output streamed = predictor.streamingPredict(request(MESSAGE)).getIterativeOutput();
            IteratorBytesSupplier pieces = (IteratorBytesSupplier) streamed.getData();
            StringBuilder joined = new StringBuilder();
            int count = 0;
            for (; pieces.hasNext(); ++count) {
                joined.append(new String(pieces.next(), StandardCharsets.UTF_8));
            }
            Assert.assertEquals(joined.toString(), text);
            Assert.assertTrue(count > 5, "pieces: " + count);
        }
    }

    private static Input request(String body) {
        Input input = new Input();
        input.add(BytesSupplier.wrap(body));
        return input;
    }

    private static Input json(String body) {
        Input input = request(body);
        input.addProperty("Content-Type", "application/json");
        return input;
    }

    private static <O> ZooModel<String, O> load(Class<O> output) throws Exception {
        return Decoders.criteria(String.class, output, Fixtures.RETRIEVER).build().loadModel();
    }

    /** As a block: ids and a limit in, ids out, at once or one by one. */
    @Test
    public void blockContinuesIds() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                ZooModel<NDList, NDList> model =
                        Decoders.criteria(
                                        NDList.class,
                                        NDList.class,
                                        Fixtures.CHECKPOINTS.resolve("llama"))
                                .build()
                                .loadModel();
                Predictor<NDList, NDList> predictor = model.newPredictor()) {
            NDList expected = Fixtures.expected(manager, "llama");
            NDArray prompt = Fixtures.named(expected, "prompt_ids").toType(DataType.INT64, false);
            NDArray greedy = Fixtures.named(expected, "greedy_ids").toType(DataType.INT64, false);
            NDArray limit = manager.create(greedy.size());
            NDArray found = predictor.predict(new NDList(prompt, limit)).singletonOrThrow();
            Assert.assertEquals(found.toLongArray(), greedy.toLongArray());
            TranslateException e =
                    Assert.expectThrows(
                            TranslateException.class,
                            () ->
                                    predictor.predict(
                                            new NDList(
                                                    manager.ones(new Shape(2, 3), DataType.INT64),
                                                    limit)));
            Assert.assertTrue(hasMessage(e, "one sequence"), e.toString());
        }
    }

    @Test
    public void givesLogits() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                ZooModel<NDList, NDList> model =
                        Decoders.criteria(
                                        NDList.class,
                                        NDList.class,
                                        Fixtures.CHECKPOINTS.resolve("llama"))
                                .optArgument("attention.threshold", "all")
                                .build()
                                .loadModel();
                Predictor<NDList, NDList> predictor = model.newPredictor()) {
            NDList expected = Fixtures.expected(manager, "llama");
            NDArray ids = Fixtures.named(expected, "input_ids").toType(DataType.INT64, false);
            NDArray found = predictor.predict(new NDList(ids)).singletonOrThrow();
            NDArray last = Fixtures.named(expected, "logits_last");
            Assert.assertEquals(found.getShape(), last.getShape());
            float error = found.sub(last).abs().max().getFloat() / last.abs().max().getFloat();
            Assert.assertTrue(error <= 2e-4, "logit error " + error);
            NDArray tooLong = manager.ones(new Shape(1, 4097), DataType.INT64);
            TranslateException e =
                    Assert.expectThrows(
                            TranslateException.class, () -> predictor.predict(new NDList(tooLong)));
            Assert.assertTrue(e.getMessage().contains("4097 tokens"), e.getMessage());
        }
    }

    @Test
    public void unknownOptionStopsTheLoading() {
        Criteria<String, String> criteria =
                Decoders.criteria(String.class, String.class, Fixtures.RETRIEVER)
                        .optArgument("attention.layer", "3")
                        .build();
        Exception e = Assert.expectThrows(Exception.class, criteria::loadModel);
        Assert.assertTrue(hasMessage(e, "attention.layer"), e.toString());
    }

    /** Tokenizers are native memory, which a server that loads and drops models cannot spare. */
    @Test
    public void tokenizerIsReleasedWithTheModel() throws Exception {
        Translator<String, String> translator;
        try (ZooModel<String, String> model = load(String.class);
                Predictor<String, String> predictor = model.newPredictor()) {
            predictor.predict("x");
            translator = model.getTranslator();
        }
        Assert.expectThrows(
                IllegalStateException.class, () -> translator.processInput(null, MESSAGE));
    }

    @Test
    public void optionOutOfRangeStopsTheLoading() {
        Criteria<String, String> criteria =
                Decoders.criteria(String.class, String.class, Fixtures.RETRIEVER)
                        .optArgument("top_p", "7")
                        .build();
        Exception e = Assert.expectThrows(Exception.class, criteria::loadModel);
        Assert.assertTrue(hasMessage(e, "top_p: expected 0 to 1"), e.toString());
    }

    private static boolean hasMessage(Throwable e, String word) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause.getMessage() != null && cause.getMessage().contains(word)) {
                return true;
            }
        }
        return false;
    }
}

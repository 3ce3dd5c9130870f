package io.pbsattn.zoo;

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
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
            Assert.assertEquals(((CausalLm) model.getBlock()).attention().toString(), attention);
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
                blockFactory=io.pbsattn.zoo.CausalLmBlockFactory
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
            Assert.assertEquals(((CausalLm) model.getBlock()).attention(), AttentionKind.DENSE);
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

    @Test
    public void answersRequestsOfServing() throws Exception {
        try (ZooModel<Input, Output> model =
                        Decoders.criteria(Input.class, Output.class, Fixtures.RETRIEVER)
                                .build()
                                .loadModel();
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

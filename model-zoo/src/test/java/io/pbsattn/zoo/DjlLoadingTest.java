package io.pbsattn.zoo;

import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import java.nio.file.Files;
import java.nio.file.Path;
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

    private static boolean hasMessage(Throwable e, String word) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause.getMessage() != null && cause.getMessage().contains(word)) {
                return true;
            }
        }
        return false;
    }
}

package io.pbsattn.zoo.djl;

import ai.djl.inference.Predictor;
import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.BytesSupplier;
import ai.djl.ndarray.NDList;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import io.pbsattn.zoo.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** A mistyped argument is refused with the name that was meant; arguments of others pass. */
public class ArgumentNamesTest {

    @DataProvider
    public static Object[][] slips() {
        return new Object[][] {
            {"attenton", "attention"},
            {"Attention", "attention"},
            {"attention.treshold", "attention.threshold"},
            {"attention.layer", "attention.layers"},
            {"attention_backend", "attention.backend"},
            {"attenion.min_length", "attention.min_length"},
            {"pbs.block_size", "attention.block_size"},
            {"dtpye", "dtype"},
            {"contxt_limit", "context_limit"},
            {"max_bach", "max_batch"},
            {"rope.rounded_frequency", "rope.rounded_frequencies"},
            {"pbs.temperature", "temperature"},
            {"max_new_token", "max_new_tokens"},
            {"temprature", "temperature"},
            {"repetition_penality", "repetition_penalty"},
            {"do_smaple", "do_sample"},
        };
    }

    @Test(dataProvider = "slips")
    public void slipsAreRefused(String slip, String meant) {
        assertRefused(
                slip,
                meant,
                () -> DecoderArguments.read(Map.of(slip, "1", "translatorFactory", "x")));
    }

    /** What DJL, DJL Serving and other translators read from the same map. */
    @Test
    public void namesOfOthersPass() {
        Map<String, Object> arguments = new HashMap<>(Decoders.ARGUMENTS);
        for (String name :
                new String[] {
                    "hasParameter",
                    "mapLocation",
                    "extraFiles",
                    "trainParam",
                    "retainGraph",
                    "application",
                    "modelName",
                    "model_id",
                    "batchifier",
                    "batch_size",
                    "batchSize",
                    "max_batch_delay",
                    "maxBatchDelay",
                    "maxIdleTime",
                    "minWorkers",
                    "maxWorkers",
                    "job_queue_size",
                    "load_on_devices",
                    "gpu.minWorkers",
                    "rolling_batch",
                    "max_rolling_batch_size",
                    "tensor_parallel_degree",
                    "entryPoint",
                    "tokenizer",
                    "padding",
                    "truncation",
                    "maxLength",
                    "topK",
                    "torch_dtype",
                    "SERVING_LOG",
                    "my.own",
                    "",
                }) {
            arguments.put(name, "x");
        }
        arguments.put("attention", "dense");
        arguments.put("attention.layers", "1-2");
        arguments.put("max_batch", 3);
        arguments.put("top_k", 3);
        Assert.assertEquals(DecoderArguments.read(arguments).maxBatch(), 3);
    }

    @Test
    public void criteriaRefuse() {
        assertRefused(
                "attenton",
                "attention",
                () ->
                        Decoders.criteria(NDList.class, NDList.class, Fixtures.RETRIEVER)
                                .optArgument("attenton", "dense")
                                .build()
                                .loadModel());
        assertRefused(
                "dtpye",
                "dtype",
                () ->
                        Decoders.criteria(NDList.class, NDList.class, Fixtures.RETRIEVER)
                                .optOption("dtpye", "float32")
                                .build()
                                .loadModel());
        assertRefused(
                "temprature",
                "temperature",
                () -> plain(Fixtures.RETRIEVER).optArgument("temprature", 1).build().loadModel());
    }

    @Test
    public void queriesOfUrlsRefuse() {
        String file = Fixtures.RETRIEVER.toAbsolutePath().toUri().toString();
        assertRefused(
                "attenton",
                "attention",
                () ->
                        Decoders.criteria(NDList.class, NDList.class, file + "?attenton=dense")
                                .build()
                                .loadModel());
        // Before anything is asked of the hub.
        assertRefused(
                "contxt_limit",
                "context_limit",
                () -> Decoders.criteria(NDList.class, NDList.class, "hf://a/b?contxt_limit=9"));
    }

    @Test
    public void servingPropertiesRefuse() throws IOException {
        for (String line : new String[] {"attenton=dense", "option.attenton=dense"}) {
            Path folder = Files.createTempDirectory("serving");
            Files.writeString(folder.resolve("serving.properties"), "engine=PyTorch\n" + line);
            assertRefused("attenton", "attention", () -> plain(folder).build().loadModel());
        }
    }

    @Test
    public void requestsRefuse() throws Exception {
        try (ZooModel<Input, Output> model =
                        Decoders.criteria(Input.class, Output.class, Fixtures.RETRIEVER)
                                .build()
                                .loadModel();
                Predictor<Input, Output> predictor = model.newPredictor()) {
            Map<String, String> wrong =
                    Map.of(
                            "{\"inputs\": \"x\", \"parameters\": {\"topp\": 1}}",
                            "unknown parameter 'topp'; did you mean 'top_p'?",
                            "{\"input\": \"x\"}",
                            "unknown key 'input'; did you mean 'inputs'?");
            for (Map.Entry<String, String> each : wrong.entrySet()) {
                Input request = new Input();
                request.add(BytesSupplier.wrap(each.getKey()));
                request.addProperty("Content-Type", "application/json");
                TranslateException e =
                        Assert.expectThrows(
                                TranslateException.class, () -> predictor.predict(request));
                Assert.assertTrue(hasMessage(e, each.getValue()), e.toString());
            }
        }
    }

    /** The criteria of somebody who names our classes. */
    private static Criteria.Builder<NDList, NDList> plain(Path folder) {
        return Criteria.builder()
                .setTypes(NDList.class, NDList.class)
                .optModelPath(folder)
                .optEngine("PyTorch")
                .optArguments(new HashMap<>(Decoders.ARGUMENTS))
                .optOption("hasParameter", "false");
    }

    private static void assertRefused(String slip, String meant, Assert.ThrowingRunnable way) {
        Throwable e = Assert.expectThrows(Throwable.class, way);
        String expected = "unknown option '" + slip + "'; did you mean '" + meant + "'?";
        Assert.assertTrue(hasMessage(e, expected), e.toString());
    }

    private static boolean hasMessage(Throwable e, String words) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause.getMessage() != null && cause.getMessage().contains(words)) {
                return true;
            }
        }
        return false;
    }
}

package io.pbsattn.torchscript;

import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import io.pbsattn.Arrays4;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.testng.Assert;
import org.testng.annotations.BeforeSuite;
import org.testng.annotations.Test;

public class TorchScriptModelsTest {

    private static final PbsConfig SPARSE = PbsConfig.builder().optMinLength(0).build();
    private static final PbsConfig ALL =
            PbsConfig.builder().optMinLength(0).optThreshold(1).build();

    // What the models gave before the interceptor was installed in this process.
    private static float[] plainLlama;
    private static float[] plainBert;

    /** Before all tests of the process, so nothing has installed the interceptor yet. */
    @BeforeSuite
    public void runWithoutInterceptor() throws Exception {
        try (ZooModel<NDList, NDList> llama = Scripts.load(Scripts.LLAMA);
                ZooModel<NDList, NDList> bert = Scripts.load(Scripts.BERT)) {
            // Twice: the first time that several threads of a process call MKL's sines and
            // exponentials at once, one of them may get less accurate ones (pytorch issue 188792).
            for (int run = 0; run < 2; ++run) {
                plainLlama = predict(llama, llamaInput(llama.getNDManager()));
                plainBert = predict(bert, bertInput(bert.getNDManager()));
            }
        }
    }

    @Test
    public void shortPromptsStayWithPyTorchBitForBit() throws Exception {
        try (ZooModel<NDList, NDList> model = Scripts.load(Scripts.LLAMA)) {
            PbsScopedBlock block = TorchScriptModels.usePbs(model, PbsConfig.DEFAULT);
            Assert.assertEquals(predict(model, llamaInput(model.getNDManager())), plainLlama);
            Assert.assertEquals(block.report().calls(SdpaRoute.SHORT), 2);
            Assert.assertFalse(block.report().ranPbs());
            Assert.assertEquals(
                    block.report().summary(),
                    "Permuted Block-Sparse Attention did not run. 2 of 2: fewer keys than"
                            + " attention.min_length");
            Assert.assertTrue(block.report().prefill().isEmpty());
            assertLogits(model.getNDManager(), plainLlama, 1e-5);
        }
    }

    @Test
    public void withEveryBlockKeptTheLogitsAreThoseOfFullAttention() throws Exception {
        try (ZooModel<NDList, NDList> model = Scripts.load(Scripts.LLAMA)) {
            PbsScopedBlock block = TorchScriptModels.usePbs(model, ALL);
            float[] logits = predict(model, llamaInput(model.getNDManager()));
            assertLogits(model.getNDManager(), logits, 1e-4);
            Assert.assertEquals(block.report().calls(SdpaRoute.PBS), 2);
            Assert.assertTrue(block.report().ranPbs());
            Assert.assertEquals(
                    block.report().summary(),
                    "Permuted Block-Sparse Attention ran in 2 of 2 attention calls");
            Assert.assertEquals(block.report().calls().size(), 1);
            Assert.assertEquals(block.report().prefill().orElseThrow().density(), 1.0);
        }
    }

    @Test
    public void everyLayerGivesWhatTheReferenceGives() throws Exception {
        try (ZooModel<NDList, NDList> model = Scripts.load(Scripts.LLAMA);
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            List<NDList> layers = new ArrayList<>();
            SdpaReport report;
            try (Predictor<NDList, NDList> predictor = model.newPredictor();
                    SdpaScope scope = SdpaInterceptor.open(SPARSE)) {
                scope.optObserver(
                        (route, q, k, v, output) -> {
                            NDList arrays = new NDList();
                            for (NDArray array : List.of(q, k, v, output)) {
                                NDArray copy = array.toType(DataType.FLOAT64, true);
                                copy.attach(manager);
                                arrays.add(copy);
                            }
                            layers.add(arrays);
                        });
                predictor.predict(llamaInput(manager));
                report = scope.report();
            }
            Assert.assertEquals(layers.size(), 2);
            PbsAttention reference = PbsAttention.create(SPARSE, "reference");
            double density = 0;
            for (NDList layer : layers) {
                AttentionOutput expected =
                        reference.forward(layer.get(0), layer.get(1), layer.get(2));
                Assert.assertTrue(Arrays4.maxError(layer.get(3), expected.o()) < 1e-5);
                density += expected.report().density() / layers.size();
            }
            Assert.assertEquals(report.prefill().orElseThrow().density(), density, 1e-9);
            Assert.assertTrue(density < 1, "density " + density);
        }
    }

    @Test
    public void bidirectionalModelsAreUntouchedBitForBit() throws Exception {
        try (ZooModel<NDList, NDList> model = Scripts.load(Scripts.BERT)) {
            SdpaInterceptor.install();
            NDManager manager = model.getNDManager();
            Assert.assertEquals(predict(model, bertInput(manager)), plainBert);
            PbsScopedBlock block = TorchScriptModels.usePbs(model, SPARSE);
            Assert.assertEquals(predict(model, bertInput(manager)), plainBert);
            Assert.assertEquals(block.report().calls(SdpaRoute.OTHER_MASK), 2);
            Assert.assertEquals(block.report().calls().size(), 1);
        }
    }

    @Test
    public void paddedBatchesGiveWhatEachSequenceGivesAlone() throws Exception {
        int tokens = 700;
        try (ZooModel<NDList, NDList> model = Scripts.load(Scripts.PADDING);
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray ids = Scripts.ids(manager, 64, 3, tokens);
            // Padding after the first sequence, none in the second, padding before the third.
            NDArray mask = manager.ones(ids.getShape(), DataType.INT64);
            mask.set(new NDIndex("0, 513:"), 0);
            mask.set(new NDIndex("2, :131"), 0);
            NDArray dense = predict(model, manager, ids, mask);
            PbsScopedBlock block = TorchScriptModels.usePbs(model, ALL);
            NDArray ours = predict(model, manager, ids, mask);
            Assert.assertEquals(block.report().calls(SdpaRoute.PBS), 2);
            Assert.assertEquals(block.report().calls().size(), 1);
            for (String rows : new String[] {"0, :513", "1, :", "2, 131:"}) {
                Assert.assertTrue(Arrays4.maxError(ours.get(rows), dense.get(rows)) < 1e-4, rows);
            }
        }
    }

    @Test
    public void chunksAndDecodingWithACacheGiveWhatTheyGaveBefore() throws Exception {
        try (ZooModel<NDList, NDList> model = Scripts.load(Scripts.KV_CACHE);
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDList dense = chunks(model, manager);
            PbsScopedBlock block = TorchScriptModels.usePbs(model, ALL);
            NDList ours = chunks(model, manager);
            for (int i = 0; i < dense.size(); ++i) {
                Assert.assertTrue(Arrays4.maxError(ours.get(i), dense.get(i)) < 1e-4, "chunk " + i);
            }
            Assert.assertEquals(block.report().calls(SdpaRoute.PBS), 4);
            Assert.assertEquals(block.report().calls(SdpaRoute.FEW_QUERIES), 2);
            Assert.assertEquals(block.report().calls().size(), 2);
        }
    }

    /** Logits of 257 tokens, of 300 that follow, and of one more. */
    private static NDList chunks(ZooModel<NDList, NDList> model, NDManager manager)
            throws TranslateException {
        NDArray keys = manager.zeros(new Shape(2, 1, 2, 0, 16));
        NDArray values = manager.zeros(keys.getShape());
        NDList logits = new NDList();
        try (Predictor<NDList, NDList> predictor = model.newPredictor()) {
            for (int tokens : new int[] {257, 300, 1}) {
                NDArray ids = Scripts.ids(manager, 64, 1, tokens);
                NDList out = predictor.predict(new NDList(ids, keys, values));
                out.attach(manager);
                logits.add(out.get(0));
                keys = out.get(1);
                values = out.get(2);
            }
        }
        return logits;
    }

    @Test
    public void failuresInsideAttentionReachTheCaller() throws Exception {
        try (ZooModel<NDList, NDList> model = Scripts.load(Scripts.KV_CACHE);
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray cache = manager.full(new Shape(2, 1, 2, 5, 16), Float.NaN);
            NDList bad = new NDList(Scripts.ids(manager, 64, 1, 200), cache, cache);
            PbsScopedBlock block = TorchScriptModels.usePbs(model, SPARSE);
            try (Predictor<NDList, NDList> predictor = model.newPredictor()) {
                for (int i = 0; i < 20; ++i) {
                    TranslateException thrown =
                            Assert.expectThrows(
                                    TranslateException.class, () -> predictor.predict(bad));
                    Throwable cause = thrown.getCause();
                    Assert.assertTrue(cause instanceof IllegalArgumentException, "" + cause);
                    Assert.assertTrue(cause.getMessage().contains("k"), cause.getMessage());
                }
            }
            Assert.assertEquals(block.report().calls(SdpaRoute.FAILED), 20);
            Assert.assertEquals(chunks(model, manager).size(), 3);
        }
    }

    @Test
    public void twoModelsInTwoThreadsDoNotDisturbEachOther() throws Exception {
        int calls = 1000;
        ExecutorService threads = Executors.newFixedThreadPool(2);
        try (ZooModel<NDList, NDList> sparse = Scripts.load(Scripts.PADDING);
                ZooModel<NDList, NDList> plain = Scripts.load(Scripts.PADDING)) {
            float[] expectedPlain = predict(plain, paddingInput(plain.getNDManager()));
            PbsScopedBlock block = TorchScriptModels.usePbs(sparse, SPARSE);
            float[] expectedSparse = predict(sparse, paddingInput(sparse.getNDManager()));
            Assert.assertNotEquals(expectedSparse, expectedPlain);
            List<Callable<Integer>> runs =
                    List.of(
                            () -> countEqual(sparse, expectedSparse, calls),
                            () -> countEqual(plain, expectedPlain, calls));
            for (Future<Integer> run : threads.invokeAll(runs)) {
                Assert.assertEquals((int) run.get(), calls);
            }
            Assert.assertEquals(block.report().calls(SdpaRoute.PBS), 2L * (calls + 1));
            Assert.assertEquals(block.report().calls().size(), 1);
        } finally {
            threads.shutdown();
        }
    }

    private static int countEqual(ZooModel<NDList, NDList> model, float[] expected, int calls)
            throws TranslateException {
        int equal = 0;
        try (Predictor<NDList, NDList> predictor = model.newPredictor()) {
            for (int i = 0; i < calls; ++i) {
                try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                    NDList out = predictor.predict(paddingInput(manager));
                    equal += Arrays.equals(out.get(0).toFloatArray(), expected) ? 1 : 0;
                }
            }
        }
        return equal;
    }

    private static NDList paddingInput(NDManager manager) {
        NDArray ids = Scripts.ids(manager, 64, 1, 400);
        return new NDList(ids, manager.ones(ids.getShape(), DataType.INT64));
    }

    @Test
    public void optionsReachTheModel() throws Exception {
        NDList input;
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            input = llamaInput(manager);
            double all = density(input, "attention.threshold", "all");
            double most = density(input, "attention.threshold", "0.9");
            double some = density(input, "attention.threshold", "0.3");
            Assert.assertEquals(all, 1.0);
            Assert.assertTrue(some < most && most < 1, some + " " + most);
            Assert.assertNotEquals(density(input, "attention.block_size", "64"), most);
            Assert.assertNotEquals(density(input, "attention.segment_size", "512"), most);
        }
    }

    private static double density(NDList input, String key, String value) throws Exception {
        try (ZooModel<NDList, NDList> model =
                        TorchScriptModels.criteria(
                                        NDList.class, NDList.class, Scripts.path(Scripts.LLAMA))
                                .optArgument("attention.min_length", "0")
                                .optArgument(key, value)
                                .build()
                                .loadModel();
                Predictor<NDList, NDList> predictor = model.newPredictor()) {
            predictor.predict(input);
            PbsScopedBlock block = (PbsScopedBlock) model.getBlock();
            return block.report().prefill().orElseThrow().density();
        }
    }

    @Test
    public void theOptionDenseLeavesTheModelAlone() throws Exception {
        try (ZooModel<NDList, NDList> model =
                TorchScriptModels.criteria(NDList.class, NDList.class, Scripts.path(Scripts.LLAMA))
                        .optArgument("attention", "dense")
                        .build()
                        .loadModel()) {
            Assert.assertFalse(model.getBlock() instanceof PbsScopedBlock);
            Assert.assertEquals(predict(model, llamaInput(model.getNDManager())), plainLlama);
        }
    }

    @Test
    public void aForcedBackendRuns() throws Exception {
        try (ZooModel<NDList, NDList> model =
                        TorchScriptModels.criteria(
                                        NDList.class, NDList.class, Scripts.path(Scripts.LLAMA))
                                .optArgument("attention.min_length", "0")
                                .optArgument("attention.backend", "reference")
                                .build()
                                .loadModel();
                Predictor<NDList, NDList> predictor = model.newPredictor()) {
            predictor.predict(llamaInput(model.getNDManager()));
            SdpaReport report = ((PbsScopedBlock) model.getBlock()).report();
            Assert.assertEquals(report.calls(SdpaRoute.PBS), 2);
            Assert.assertEquals(report.prefill().orElseThrow().backend(), "reference");
        }
    }

    @Test
    public void wrongOptionsAreNamed() {
        assertRefused("attention", "sparse", "pbs or dense");
        assertRefused("attention.threshold", "2", "threshold");
        assertRefused("attention.block_size", "many", "attention.block_size");
        assertRefused("attention.backend", "abacus", "abacus");
        assertRefused("attention.treshold", "0.9", "did you mean 'attention.threshold'?");
        assertRefused("attenton", "dense", "did you mean 'attention'?");
        assertRefused("pbs.min_length", "0", "did you mean 'attention.min_length'?");
    }

    private static void assertRefused(String key, String value, String named) {
        Throwable thrown =
                Assert.expectThrows(
                        Exception.class,
                        () ->
                                TorchScriptModels.criteria(
                                                NDList.class,
                                                NDList.class,
                                                Scripts.path(Scripts.LLAMA))
                                        .optArgument(key, value)
                                        .build()
                                        .loadModel());
        Assert.assertTrue(thrown.getMessage().contains(named), thrown.getMessage());
    }

    private static NDList llamaInput(NDManager manager) throws IOException {
        return new NDList(named(Scripts.expected(manager), "input_ids"));
    }

    private static NDList bertInput(NDManager manager) {
        NDArray ids = Scripts.ids(manager, 64, 2, 300);
        NDArray mask = manager.ones(ids.getShape(), DataType.INT64);
        mask.set(new NDIndex("1, 257:"), 0);
        return new NDList(ids, mask);
    }

    private static float[] predict(ZooModel<NDList, NDList> model, NDList input)
            throws TranslateException {
        try (Predictor<NDList, NDList> predictor = model.newPredictor()) {
            return predictor.predict(input).get(0).toFloatArray();
        }
    }

    private static NDArray predict(
            ZooModel<NDList, NDList> model, NDManager manager, NDArray... input)
            throws TranslateException {
        try (Predictor<NDList, NDList> predictor = model.newPredictor()) {
            NDArray out = predictor.predict(new NDList(input)).get(0);
            out.attach(manager);
            return out;
        }
    }

    private static void assertLogits(NDManager manager, float[] logits, double bound)
            throws IOException {
        NDList expected = Scripts.expected(manager);
        NDArray found = manager.create(logits, new Shape(1500, 512));
        NDArray every100 =
                NDArrays.concat(
                        new NDList(
                                IntStream.range(0, 15)
                                        .mapToObj(i -> found.get(100L * i + ":" + (100 * i + 1)))
                                        .toList()));
        Assert.assertTrue(
                Arrays4.maxError(found.get("1499:"), named(expected, "logits_last")) < bound);
        Assert.assertTrue(Arrays4.maxError(every100, named(expected, "logits_every100")) < bound);
    }

    private static NDArray named(NDList arrays, String name) {
        return arrays.stream().filter(a -> name.equals(a.getName())).findFirst().orElseThrow();
    }
}

package io.pbsattn.examples.command;

import ai.djl.ModelException;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import io.pbsattn.PbsAttention;
import io.pbsattn.examples.bench.Timing;
import io.pbsattn.examples.option.AttentionKinds;
import io.pbsattn.examples.option.AttentionOptions;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.PositiveNumber;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.torchscript.SdpaInterceptor;
import io.pbsattn.torchscript.SdpaReport;
import io.pbsattn.torchscript.SdpaScope;
import io.pbsattn.zoo.model.AttentionKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.function.DoubleSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs a TorchScript model with and without Permuted Block-Sparse Attention. */
@Command(
        name = "torchscript",
        description = {
            "Run a TorchScript decoder model, which takes ids (1, tokens) and gives logits, with"
                    + " its own attention and with PBS in turn, and compare time and output.",
            "The prompt is random tokens; attention of trained models over text is sparser."
        },
        mixinStandardHelpOptions = true)
public final class TorchScriptCommand implements Callable<Integer> {

    private static final long SEED = 20251021;
    private static final int PROBE_TOKENS = 8;
    private static final String ENGINE = "PyTorch";
    private static final String SUFFIX = ".pt";

    @Option(
            names = "--model",
            required = true,
            description = "A file that ends in .pt; docs/torchscript.md says how to make one.")
    private Path model;

    @Option(
            names = "--tokens",
            converter = PositiveNumber.class,
            defaultValue = "8192",
            description = "Length of the prompt.")
    private int tokens;

    @Mixin private AttentionKinds attentions;

    @Mixin private AttentionOptions sparse;

    @Option(
            names = "--runs",
            converter = PositiveNumber.class,
            defaultValue = "3",
            description = "Runs to take the median of; a ratio needs two or more.")
    private int runs;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        PbsAttention operator = sparse.operator();
        try (ZooModel<NDList, NDList> loaded = load();
                Predictor<NDList, NDList> predictor = loaded.newPredictor();
                NDManager manager = loaded.getNDManager().newSubManager()) {
            int vocabSize =
                    lastLogits(predictor, manager.zeros(ids(PROBE_TOKENS), DataType.INT64)).length;
            long[] values = new Random(SEED).longs(tokens, 0, vocabSize).toArray();
            NDArray prompt = manager.create(values, ids(tokens));
            TorchScriptResult result = compare(predictor, prompt, operator);
            json.print(result, result.text());
        }
        return 0;
    }

    /** What DJL and libtorch say about a file that they cannot read seldom names it. */
    private ZooModel<NDList, NDList> load() throws IOException {
        if (Files.isDirectory(model)) {
            throw new IOException(model + ": expected a TorchScript file, found a folder");
        }
        if (!Files.exists(model)) {
            throw new IOException(model + ": no such file");
        }
        if (!model.toString().endsWith(SUFFIX)) {
            throw new IOException(model + ": expected a file whose name ends in " + SUFFIX);
        }
        try {
            return Criteria.builder()
                    .setTypes(NDList.class, NDList.class)
                    .optModelPath(model)
                    .optEngine(ENGINE)
                    .build()
                    .loadModel();
        } catch (IOException | ModelException | RuntimeException e) {
            throw new IOException(
                    model + ": expected a TorchScript model, whole: " + e.getMessage(), e);
        }
    }

    private TorchScriptResult compare(
            Predictor<NDList, NDList> predictor, NDArray prompt, PbsAttention operator)
            throws IOException {
        Map<AttentionKind, float[]> logits = new EnumMap<>(AttentionKind.class);
        SdpaReport[] report = new SdpaReport[1];
        Map<AttentionKind, Runnable> works = new EnumMap<>(AttentionKind.class);
        works.put(
                AttentionKind.DENSE,
                () -> logits.put(AttentionKind.DENSE, lastLogits(predictor, prompt)));
        works.put(
                AttentionKind.PBS,
                () -> {
                    try (SdpaScope scope = SdpaInterceptor.open(operator)) {
                        scope.optDenseCalls(sparse.denseLayers()::contains);
                        logits.put(AttentionKind.PBS, lastLogits(predictor, prompt));
                        report[0] = scope.report();
                    }
                });
        works.keySet().retainAll(attentions.get());
        double[][] seconds =
                Timing.samples(
                        runs,
                        works.values().stream()
                                .map(work -> (DoubleSupplier) () -> Timing.seconds(work))
                                .toArray(DoubleSupplier[]::new));
        Map<AttentionKind, double[]> samples = new EnumMap<>(AttentionKind.class);
        works.keySet().forEach(kind -> samples.put(kind, seconds[samples.size()]));
        if (report[0] != null) {
            long calls = report[0].calls().values().stream().mapToLong(Long::longValue).sum();
            sparse.checkLayers(Math.toIntExact(calls));
        }
        return TorchScriptResult.of(
                model.getFileName().toString(),
                tokens,
                samples,
                logits,
                Optional.ofNullable(report[0]));
    }

    /** The logits of the last position; a model may give other outputs after them. */
    private float[] lastLogits(Predictor<NDList, NDList> predictor, NDArray ids) {
        try (NDManager scope = ids.getManager().newSubManager()) {
            NDList outputs = predictor.predict(new NDList(ids));
            outputs.attach(scope);
            NDArray last = outputs.get(0).get(new NDIndex("0, -1"));
            return LibTorch.get().toType(scope, last, TorchType.FLOAT32).toFloatArray();
        } catch (TranslateException e) {
            throw new IllegalStateException(model + ": " + e.getMessage(), e);
        }
    }

    private static Shape ids(int tokens) {
        return new Shape(1, tokens);
    }
}

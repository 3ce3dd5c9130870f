package io.pbsattn.examples.command;

import ai.djl.Device;
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
import io.pbsattn.PbsConfig;
import io.pbsattn.PrefillReport;
import io.pbsattn.examples.bench.Machine;
import io.pbsattn.examples.bench.Timing;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.PositiveNumber;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.torchscript.SdpaInterceptor;
import io.pbsattn.torchscript.SdpaReport;
import io.pbsattn.torchscript.SdpaRoute;
import io.pbsattn.torchscript.SdpaScope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine;
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

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

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

    @Option(
            names = "--threshold",
            defaultValue = "0.9",
            description = "Share of attention to keep, 0 to 1, or 'all' (default 0.9).")
    private String threshold;

    @Option(
            names = "--min-length",
            description = "Tokens from which on blocks are skipped; default: PbsConfig's.")
    private Integer minLength;

    @Option(
            names = "--runs",
            converter = PositiveNumber.class,
            defaultValue = "3",
            description = "Runs to take the median of.")
    private int runs;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException, ModelException {
        PbsConfig config = config();
        Criteria<NDList, NDList> criteria =
                Criteria.builder()
                        .setTypes(NDList.class, NDList.class)
                        .optModelPath(model)
                        .optEngine("PyTorch")
                        .build();
        try (ZooModel<NDList, NDList> loaded = criteria.loadModel();
                Predictor<NDList, NDList> predictor = loaded.newPredictor();
                NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            int vocabSize =
                    lastLogits(predictor, manager.zeros(ids(PROBE_TOKENS), DataType.INT64)).length;
            long[] values = new Random(SEED).longs(tokens, 0, vocabSize).toArray();
            NDArray prompt = manager.create(values, ids(tokens));
            Result result = compare(predictor, prompt, config);
            json.print(result, result.text());
        }
        return 0;
    }

    private PbsConfig config() {
        try {
            PbsConfig.Builder builder = PbsConfig.builder().optThreshold(threshold);
            if (minLength != null) {
                builder.optMinLength(minLength);
            }
            return builder.build();
        } catch (IllegalArgumentException e) {
            throw new CommandLine.ParameterException(spec.commandLine(), e.getMessage());
        }
    }

    private Result compare(Predictor<NDList, NDList> predictor, NDArray prompt, PbsConfig config)
            throws IOException {
        float[][] logits = new float[2][];
        SdpaReport[] report = new SdpaReport[1];
        double[] seconds =
                Timing.medians(
                        runs,
                        () -> Timing.seconds(() -> logits[0] = lastLogits(predictor, prompt)),
                        () ->
                                Timing.seconds(
                                        () -> {
                                            try (SdpaScope scope = SdpaInterceptor.open(config)) {
                                                logits[1] = lastLogits(predictor, prompt);
                                                report[0] = scope.report();
                                            }
                                        }));
        Map<SdpaRoute, Long> routes = new TreeMap<>(report[0].calls());
        return new Result(
                Machine.describe(),
                model.getFileName().toString(),
                tokens,
                seconds[0],
                seconds[1],
                seconds[0] / seconds[1],
                argMax(logits[0]),
                argMax(logits[1]),
                error(logits[1], logits[0]),
                report[0].prefill().map(PrefillReport::density).orElse(null),
                routes);
    }

    /** The logits of the last position; a model may give other outputs after them. */
    private static float[] lastLogits(Predictor<NDList, NDList> predictor, NDArray ids) {
        try (NDManager scope = ids.getManager().newSubManager()) {
            NDList outputs = predictor.predict(new NDList(ids));
            outputs.attach(scope);
            NDArray last = outputs.get(0).get(new NDIndex("0, -1"));
            return LibTorch.get().toType(scope, last, TorchType.FLOAT32).toFloatArray();
        } catch (TranslateException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    private static Shape ids(int tokens) {
        return new Shape(1, tokens);
    }

    private static int argMax(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; ++i) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    /** The largest difference relative to the largest magnitude. */
    private static double error(float[] found, float[] expected) {
        double difference = 0;
        double magnitude = 0;
        for (int i = 0; i < expected.length; ++i) {
            difference = Math.max(difference, Math.abs(found[i] - expected[i]));
            magnitude = Math.max(magnitude, Math.abs(expected[i]));
        }
        return difference / magnitude;
    }

    /** The JSON of the command. */
    private record Result(
            String machine,
            String model,
            int tokens,
            double denseSeconds,
            double pbsSeconds,
            double speedup,
            int denseToken,
            int pbsToken,
            double logitError,
            Double density,
            Map<SdpaRoute, Long> routes) {

        String text() {
            return String.format(
                    "%s, %d tokens, %s%n"
                            + "PyTorch's attention %8.3f s, next token %d%n"
                            + "PBS                 %8.3f s, next token %d, density %s%n"
                            + "%.2f times as fast; logits differ by %.1e of the largest%n"
                            + "attention calls by route: %s",
                    model,
                    tokens,
                    machine,
                    denseSeconds,
                    denseToken,
                    pbsSeconds,
                    pbsToken,
                    density == null ? "-" : String.format("%.3f", density),
                    speedup,
                    logitError,
                    routes);
        }
    }
}

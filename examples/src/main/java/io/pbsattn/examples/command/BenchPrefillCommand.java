package io.pbsattn.examples.command;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PrefillReport;
import io.pbsattn.examples.bench.Machine;
import io.pbsattn.examples.bench.PeakMemory;
import io.pbsattn.examples.bench.SparsePrompt;
import io.pbsattn.examples.model.PrefillProgress;
import io.pbsattn.examples.option.AttentionKinds;
import io.pbsattn.examples.option.AttentionOptions;
import io.pbsattn.examples.option.Count;
import io.pbsattn.examples.option.DtypeOption;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.ModelOption;
import io.pbsattn.examples.option.PositiveNumber;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.model.PrefillResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the prefill of a whole model. */
@Command(
        name = "prefill",
        description =
                "Measure the prefill of a whole model, in turn with sparse and dense attention.",
        mixinStandardHelpOptions = true)
final class BenchPrefillCommand implements Callable<Integer> {

    private static final long SEED = 20251021;
    private static final int WARM_UP_TOKENS = 512;

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Mixin private ModelOption model;

    @Option(
            names = "--seqlen",
            converter = PositiveNumber.class,
            split = ",",
            defaultValue = "2048,8192",
            description = "Tokens, separated by commas.")
    private List<Integer> seqlens;

    @Mixin private AttentionKinds attentions;

    @Mixin private AttentionOptions sparse;

    @Mixin private DtypeOption dtype;

    @Option(
            names = "--chunk-tokens",
            converter = PositiveNumber.class,
            description = "Prefill in chunks of so many tokens; default: the whole prompt at once.")
    private Integer chunkTokens;

    @Option(
            names = "--strength",
            description =
                    "How sparse the prompt makes the attention of a model of 'bench make-model',"
                            + " 0 to 1; default: about the paper's density for the length.")
    private Double strength;

    @Option(
            names = "--decode-tokens",
            converter = Count.class,
            defaultValue = "0",
            description = "Tokens to decode after each prefill (default 0).")
    private int decodeTokens;

    @Option(
            names = "--runs",
            converter = PositiveNumber.class,
            defaultValue = "1",
            description =
                    "Measure so often, in turn; the run of median time is reported, of two the"
                            + " slower (default 1).")
    private int runs;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException, CheckpointException {
        if (strength != null && !(strength >= 0 && strength <= 1)) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "--strength: expected 0 to 1, found " + strength);
        }
        sparse.config(); // what is wrong with the options is said before anything is read
        Path folder = model.folder();
        sparse.checkLayers(folder);
        List<Row> rows = new ArrayList<>();
        String type;
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            ModelOptions options = new ModelOptions().optDtype(dtype.get());
            CausalLm loaded = CausalLm.load(folder, options, manager);
            type = loaded.dtype().toString();
            List<CausalLm> models =
                    attentions.get().stream()
                            .map(kind -> loaded.sharing(sparse.modelOptions(kind)))
                            .toList();
            for (CausalLm each : models) {
                measure(manager, each, WARM_UP_TOKENS);
            }
            List<List<Row>> byLength = new ArrayList<>();
            for (int tokens : seqlens) {
                byLength.add(measure(manager, models, tokens));
            }
            for (int kind = 0; kind < models.size(); ++kind) {
                for (List<Row> ofLength : byLength) {
                    rows.add(ofLength.get(kind));
                }
            }
        }
        StringBuilder text = new StringBuilder(Row.HEADER);
        rows.forEach(row -> text.append(row.describe()));
        json.print(
                new Result(Machine.describe(), model.name(folder), type, rows),
                text.toString().stripTrailing());
        return 0;
    }

    /** The run of median time of each model; which one goes first changes from run to run. */
    private List<Row> measure(NDManager manager, List<CausalLm> models, int tokens) {
        List<List<Row>> measured = new ArrayList<>();
        models.forEach(each -> measured.add(new ArrayList<>()));
        for (int run = 0; run < runs; ++run) {
            for (int i = 0; i < models.size(); ++i) {
                int turn = (run + i) % models.size();
                CausalLm each = models.get(turn);
                json.note("measuring " + tokens + " tokens, " + each.attention() + " ...");
                measured.get(turn).add(measure(manager, each, tokens));
            }
        }
        for (List<Row> rows : measured) {
            rows.sort(Comparator.comparingDouble(Row::prefillSeconds));
        }
        return measured.stream().map(rows -> rows.get(rows.size() / 2)).toList();
    }

    private Row measure(NDManager parent, CausalLm loaded, int tokens) {
        double used = strength == null ? SparsePrompt.strength(tokens) : strength;
        long[] ids = SparsePrompt.ids(tokens, loaded.vocabSize(), used, SEED);
        PrefillOptions options = new PrefillOptions();
        if (chunkTokens != null) {
            options.optChunkTokens(chunkTokens);
        }
        PeakMemory.reset();
        try (NDManager manager = parent.newSubManager();
                KvCache cache = loaded.newCache(manager, 1, tokens + decodeTokens);
                NDArray input = manager.create(ids, new Shape(1, tokens));
                PrefillProgress progress = new PrefillProgress("prefill")) {
            PrefillResult result = loaded.prefill(input, cache, options.optProgress(progress));
            double decodeSeconds = decode(manager, loaded, cache);
            return Row.of(
                    tokens,
                    loaded.attention().toString(),
                    result,
                    PeakMemory.bytes(),
                    decodeSeconds);
        }
    }

    /** Seconds for each decoded token; 0 if there is none. */
    private double decode(NDManager manager, CausalLm loaded, KvCache cache) {
        long start = System.nanoTime();
        for (int i = 0; i < decodeTokens; ++i) {
            try (NDArray next = manager.ones(new Shape(1, 1), DataType.INT64)) {
                loaded.decode(next, cache).close();
            }
        }
        return decodeTokens == 0 ? 0 : (System.nanoTime() - start) / 1e9 / decodeTokens;
    }

    /** The JSON of the command. */
    private record Result(String machine, String model, String dtype, List<Row> rows) {}

    /** The JSON of one prefill. */
    private record Row(
            int seqlen,
            String attention,
            double prefillSeconds,
            double linearSeconds,
            double permuteSeconds,
            double selectSeconds,
            double attendSeconds,
            double otherSeconds,
            double tokensPerSecond,
            double density,
            long peakRssBytes,
            double decodeSecondsPerToken,
            String backend) {

        static final String HEADER =
                String.format(
                        "%8s %6s %9s %8s %8s %8s %8s %8s %9s %8s %9s %9s  %s%n",
                        "tokens",
                        "kind",
                        "prefill s",
                        "linear",
                        "permute",
                        "select",
                        "attend",
                        "other",
                        "tokens/s",
                        "density",
                        "peak MiB",
                        "decode s",
                        "backend");

        static Row of(
                int tokens,
                String attention,
                PrefillResult result,
                long peak,
                double decodeSeconds) {
            PrefillReport report = result.report();
            double known =
                    result.linearSeconds()
                            + report.permuteSeconds()
                            + report.selectSeconds()
                            + report.attendSeconds();
            return new Row(
                    tokens,
                    attention,
                    result.seconds(),
                    result.linearSeconds(),
                    report.permuteSeconds(),
                    report.selectSeconds(),
                    report.attendSeconds(),
                    result.seconds() - known,
                    tokens / result.seconds(),
                    report.density(),
                    peak,
                    decodeSeconds,
                    report.backend());
        }

        String describe() {
            return String.format(
                    "%8d %6s %9.2f %8.2f %8.2f %8.2f %8.2f %8.2f %9.1f %8.3f %9d %9.4f  %s%n",
                    seqlen,
                    attention,
                    prefillSeconds,
                    linearSeconds,
                    permuteSeconds,
                    selectSeconds,
                    attendSeconds,
                    otherSeconds,
                    tokensPerSecond,
                    density,
                    peakRssBytes >> 20,
                    decodeSecondsPerToken,
                    backend);
        }
    }
}

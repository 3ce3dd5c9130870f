package io.pbsattn.examples.command;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.AttentionOutput;
import io.pbsattn.Backends;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.PrefillReport;
import io.pbsattn.block.DenseAttention;
import io.pbsattn.examples.bench.GemmBenchmark;
import io.pbsattn.examples.bench.Machine;
import io.pbsattn.examples.bench.SparseInputs;
import io.pbsattn.examples.bench.Timing;
import io.pbsattn.examples.option.BackendName;
import io.pbsattn.examples.option.Count;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.PositiveNumber;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the operator against PyTorch's dense attention in the same run. */
@Command(
        name = "operator",
        description = "Measure the operator against PyTorch's dense attention in the same run.",
        mixinStandardHelpOptions = true)
final class BenchOperatorCommand implements Callable<Integer> {

    private static final long SEED = 20251021;

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Option(
            names = "--seqlen",
            converter = PositiveNumber.class,
            split = ",",
            defaultValue = "8192,16384",
            description = "Tokens, separated by commas.")
    private List<Integer> seqlens;

    @Option(
            names = "--q-heads",
            converter = PositiveNumber.class,
            defaultValue = "8",
            description = "Query heads.")
    private int qHeads;

    @Option(
            names = "--kv-heads",
            converter = PositiveNumber.class,
            defaultValue = "2",
            description = "Key and value heads.")
    private int kvHeads;

    @Option(
            names = "--head-dim",
            converter = PositiveNumber.class,
            defaultValue = "128",
            description = "Width of a head.")
    private int headDim;

    @Option(
            names = "--dtype",
            defaultValue = "bfloat16",
            description = "bfloat16 (default), float32 or float16.")
    private TorchType dtype;

    @Option(
            names = "--backend",
            converter = BackendName.class,
            description = "cpu or reference; default: the best usable.")
    private String backend;

    @Option(
            names = "--density",
            description =
                    "Share of the causal blocks that the inputs are made for, 0.05 to 1; default:"
                            + " the paper's for the length.")
    private Double density;

    @Option(
            names = "--runs",
            converter = PositiveNumber.class,
            defaultValue = "3",
            description = "Counted runs of each, of which the median is taken (default 3).")
    private int runs;

    @Option(
            names = "--min-length",
            converter = Count.class,
            description = "Skip blocks from so many tokens on; default: the operator's.")
    private Integer minLength;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        if (qHeads % kvHeads != 0) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(),
                    "--q-heads: expected a multiple of --kv-heads, found "
                            + qHeads
                            + " and "
                            + kvHeads);
        }
        if (density != null && !(density >= 0.05 && density <= 1)) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "--density: expected 0.05 to 1, found " + density);
        }
        PbsConfig.Builder config = PbsConfig.builder();
        if (minLength != null) {
            config.optMinLength(minLength);
        }
        PbsAttention sparse = create(config.build());
        PbsAttention dense = create(PbsConfig.DENSE);
        List<Row> rows = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        for (int seqlen : seqlens) {
            json.note("measuring " + seqlen + " tokens ...");
            Row row = measure(sparse, dense, seqlen);
            rows.add(row);
            text.append(row.text());
        }
        Gemm gemm = gemm(rows);
        text.append(
                String.format(
                        "libtorch GEMM: float32 %.0f, bfloat16 %.0f GFLOP/s",
                        gemm.float32, gemm.bfloat16));
        String isa =
                Backends.list().stream()
                        .filter(b -> b.name().equals(sparse.backendName()))
                        .findFirst()
                        .orElseThrow()
                        .isa();
        json.print(
                new Result(
                        Machine.describe(),
                        isa,
                        Runtime.getRuntime().availableProcessors(),
                        gemm,
                        rows),
                text.toString());
        return 0;
    }

    private PbsAttention create(PbsConfig config) {
        PbsAttention attention =
                backend == null
                        ? PbsAttention.create(config)
                        : PbsAttention.create(config, backend);
        return attention.withoutLse();
    }

    private Row measure(PbsAttention sparse, PbsAttention dense, int seqlen) {
        try (NDManager manager =
                        NDManager.newBaseManager(
                                BackendDevice.of(sparse.backendName()), "PyTorch");
                GemmBenchmark float32 = new GemmBenchmark(TorchType.FLOAT32);
                GemmBenchmark bfloat16 = new GemmBenchmark(TorchType.BFLOAT16)) {
            SparseInputs in =
                    new SparseInputs(manager, qHeads, kvHeads, seqlen, headDim, dtype, SEED);
            PbsAttention tuned = create(PbsConfig.builder().optMinLength(0).build());
            in.tune(
                    density != null ? density : SparseInputs.paperDensity(seqlen),
                    inputs -> run(tuned, inputs).density());
            // PyTorch's kernel wants the KV heads repeated; that is not counted against it.
            NDArray keys = in.k().repeat(1, qHeads / kvHeads);
            NDArray values = in.v().repeat(1, qHeads / kvHeads);
            double scale = sparse.config().softmaxScale(headDim);
            List<PrefillReport> reports = new ArrayList<>();
            double[] seconds =
                    Timing.medians(
                            runs,
                            () -> Timing.seconds(() -> reports.add(run(sparse, in))),
                            () -> Timing.seconds(() -> run(dense, in)),
                            () ->
                                    Timing.seconds(
                                            () ->
                                                    DenseAttention.forward(
                                                                    in.q(), keys, values, scale)
                                                            .close()),
                            float32::seconds,
                            bfloat16::seconds);
            // The phases of the run whose whole time is nearest to the median.
            PrefillReport report =
                    reports.stream()
                            .skip(1)
                            .min(
                                    Comparator.comparingDouble(
                                            r -> Math.abs(r.totalSeconds() - seconds[0])))
                            .orElseThrow();
            int block = sparse.config().blockSize();
            double flops = 4.0 * block * block * headDim * report.keptBlocks();
            return new Row(
                    seqlen,
                    headDim,
                    qHeads,
                    kvHeads,
                    dtype.toString(),
                    report.density(),
                    report.permuteSeconds(),
                    report.selectSeconds(),
                    report.attendSeconds(),
                    seconds[0],
                    seconds[1],
                    seconds[2],
                    flops / report.attendSeconds() / 1e9,
                    seconds[2] / seconds[0],
                    (report.permuteSeconds() + report.selectSeconds()) / seconds[0],
                    new Gemm(GemmBenchmark.gflops(seconds[3]), GemmBenchmark.gflops(seconds[4])));
        }
    }

    private static PrefillReport run(PbsAttention attention, SparseInputs in) {
        try (AttentionOutput output = attention.forward(in.q(), in.k(), in.v())) {
            return output.report();
        }
    }

    /** The medians over the lengths. */
    private static Gemm gemm(List<Row> rows) {
        return new Gemm(
                Timing.median(rows.stream().mapToDouble(r -> r.gemmGflops.float32).toArray()),
                Timing.median(rows.stream().mapToDouble(r -> r.gemmGflops.bfloat16).toArray()));
    }

    /** The JSON of libtorch's matrix products. */
    record Gemm(double float32, double bfloat16) {}

    /** The JSON of one length. */
    record Row(
            int seqlen,
            int headDim,
            int numQHeads,
            int numKvHeads,
            String dtype,
            double density,
            double permuteSeconds,
            double selectSeconds,
            double attendSeconds,
            double pbsSeconds,
            double denseSeconds,
            double sdpaSeconds,
            double attendGflops,
            double speedupOverSdpa,
            double overheadShare,
            Gemm gemmGflops) {

        String text() {
            return String.format(
                    "%7d tokens: density %.3f, pbs %.3f s (permute %.3f, select %.3f, attend %.3f:"
                            + " %.0f GFLOP/s), dense %.3f s, PyTorch %.3f s, speed-up %.2f%n",
                    seqlen,
                    density,
                    pbsSeconds,
                    permuteSeconds,
                    selectSeconds,
                    attendSeconds,
                    attendGflops,
                    denseSeconds,
                    sdpaSeconds,
                    speedupOverSdpa);
        }
    }

    /** The JSON of the command. */
    record Result(String machine, String isa, int threads, Gemm gemmGflops, List<Row> rows) {}
}

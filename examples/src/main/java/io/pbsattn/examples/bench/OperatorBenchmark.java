package io.pbsattn.examples.bench;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.PrefillReport;
import io.pbsattn.block.DenseAttention;
import io.pbsattn.torch.TorchType;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** The operator under JMH; {@code ./pbs bench jmh} runs it. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
public class OperatorBenchmark {

    private static final long SEED = 20251021;
    private static final int Q_HEADS = 8;
    private static final int KV_HEADS = 2;

    /** Tokens. */
    @Param({"8192"})
    public int seqlen;

    /** Width of a head. */
    @Param({"128"})
    public int headDim;

    /** Element type. */
    @Param({"bfloat16", "float32"})
    public String dtype;

    private NDManager manager;
    private SparseInputs inputs;
    private NDArray repeatedKeys;
    private NDArray repeatedValues;
    private PbsAttention sparse;
    private PbsAttention dense;

    /** Makes inputs of the paper's density for the length. */
    @Setup(Level.Trial)
    public void makeInputs() {
        manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
        sparse = PbsAttention.create(PbsConfig.builder().optMinLength(0).build()).withoutLse();
        dense = PbsAttention.create(PbsConfig.DENSE).withoutLse();
        TorchType type = TorchType.parse(dtype);
        inputs = new SparseInputs(manager, Q_HEADS, KV_HEADS, seqlen, headDim, type, SEED);
        inputs.tune(SparseInputs.paperDensity(seqlen), in -> run(sparse, in).density());
        repeatedKeys = inputs.k().repeat(1, Q_HEADS / KV_HEADS);
        repeatedValues = inputs.v().repeat(1, Q_HEADS / KV_HEADS);
    }

    /** Frees the inputs. */
    @TearDown(Level.Trial)
    public void close() {
        manager.close();
    }

    /**
     * Runs the operator.
     *
     * @return its report
     */
    @Benchmark
    public PrefillReport pbs() {
        return run(sparse, inputs);
    }

    /**
     * Runs the operator with every block kept.
     *
     * @return its report
     */
    @Benchmark
    public PrefillReport dense() {
        return run(dense, inputs);
    }

    /** Runs PyTorch's dense attention. */
    @Benchmark
    public void pytorch() {
        double scale = sparse.config().softmaxScale(headDim);
        DenseAttention.forward(inputs.q(), repeatedKeys, repeatedValues, scale).close();
    }

    private static PrefillReport run(PbsAttention attention, SparseInputs in) {
        try (AttentionOutput output = attention.forward(in.q(), in.k(), in.v())) {
            return output.report();
        }
    }
}

package io.pbsattn.examples.command;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.examples.bench.Machine;
import io.pbsattn.examples.bench.SparsePrompt;
import io.pbsattn.examples.bench.Timing;
import io.pbsattn.examples.option.DtypeOption;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.ModelOption;
import io.pbsattn.examples.option.PositiveNumber;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.DoubleSupplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the decoding of several sequences at once. */
@Command(
        name = "decode",
        description =
                "Measure the decoding of several sequences at once, batch sizes in turn with each"
                        + " other.",
        mixinStandardHelpOptions = true)
final class BenchDecodeCommand implements Callable<Integer> {

    private static final long SEED = 20251121;

    @Mixin private ModelOption model;

    @Option(
            names = "--context",
            converter = PositiveNumber.class,
            defaultValue = "512",
            description = "Tokens that each sequence holds before (default 512).")
    private int context;

    @Option(
            names = "--batch",
            converter = PositiveNumber.class,
            split = ",",
            defaultValue = "1,2,4,8",
            description = "Sequences, separated by commas (default 1,2,4,8); 1 is always measured.")
    private List<Integer> batches;

    @Option(
            names = "--tokens",
            converter = PositiveNumber.class,
            defaultValue = "16",
            description = "Tokens that each sequence decodes in a run (default 16).")
    private int tokens;

    @Option(
            names = "--runs",
            converter = PositiveNumber.class,
            defaultValue = "5",
            description = "Runs of each batch size; their median counts (default 5).")
    private int runs;

    @Mixin private DtypeOption dtype;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException, CheckpointException {
        TreeSet<Integer> sizes = new TreeSet<>(batches);
        sizes.add(1);
        Path folder = model.folder();
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            CausalLm loaded =
                    CausalLm.load(folder, new ModelOptions().optDtype(dtype.get()), manager);
            List<KvCache> caches = new ArrayList<>();
            json.note("reading " + sizes.last() + " prompts of " + context + " tokens ...");
            while (caches.size() < sizes.last()) {
                caches.add(prefilled(manager, loaded, SEED + caches.size()));
            }
            json.note("measuring ...");
            DoubleSupplier[] works =
                    sizes.stream()
                            .map(size -> work(manager, loaded, caches.subList(0, size)))
                            .toArray(DoubleSupplier[]::new);
            double[] seconds = Timing.medians(runs, works);
            List<Row> rows = new ArrayList<>();
            for (int size : sizes) {
                double step = seconds[rows.size()] / tokens;
                rows.add(new Row(size, step, size / step, size * seconds[0] / tokens / step));
            }
            StringBuilder text = new StringBuilder(Row.HEADER);
            rows.forEach(row -> text.append(row.describe()));
            json.print(
                    new Result(
                            Machine.describe(),
                            model.name(folder),
                            loaded.dtype().toString(),
                            context,
                            tokens,
                            runs,
                            rows),
                    text.toString().stripTrailing());
        }
        return 0;
    }

    private KvCache prefilled(NDManager manager, CausalLm loaded, long seed) {
        KvCache cache = loaded.newCache(manager, 1, context + tokens);
        long[] ids =
                SparsePrompt.ids(context, loaded.vocabSize(), SparsePrompt.strength(context), seed);
        try (NDArray input = manager.create(ids, new Shape(1, context))) {
            loaded.prefill(input, cache, new PrefillOptions()).logits().close();
        }
        return cache;
    }

    /** Seconds of decoding the tokens of some sequences, which then are as before. */
    private DoubleSupplier work(NDManager manager, CausalLm loaded, List<KvCache> caches) {
        return () -> {
            double seconds = Timing.seconds(() -> decode(manager, loaded, caches));
            caches.forEach(cache -> cache.trimTo(context));
            return seconds;
        };
    }

    private void decode(NDManager manager, CausalLm loaded, List<KvCache> caches) {
        for (int i = 0; i < tokens; ++i) {
            long[] next = SparsePrompt.ids(caches.size(), loaded.vocabSize(), 0, SEED + i);
            try (NDArray input = manager.create(next, new Shape(next.length, 1))) {
                loaded.decode(input, caches).close();
            }
        }
    }

    /** The JSON of the command. */
    private record Result(
            String machine,
            String model,
            String dtype,
            int context,
            int tokens,
            int runs,
            List<Row> rows) {}

    /** The JSON of one batch size. */
    private record Row(int batch, double stepSeconds, double tokensPerSecond, double timesSingle) {

        static final String HEADER =
                String.format("%8s %9s %9s %15s%n", "batch", "step s", "tokens/s", "times batch 1");

        String describe() {
            return String.format(
                    "%8d %9.4f %9.1f %15.2f%n", batch, stepSeconds, tokensPerSecond, timesSingle);
        }
    }
}

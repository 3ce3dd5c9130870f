package io.pbsattn.examples.verify;

import ai.djl.Device;
import ai.djl.ModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/** Runs one checkpoint and compares its logits and greedy tokens with those of transformers. */
public final class CheckpointCheck {

    private static final double FLOAT32_TOLERANCE = 2e-4;

    /**
     * PyTorch's own logits in bfloat16 differ from its float32 by up to 0.055 on such checkpoints.
     */
    private static final double BFLOAT16_TOLERANCE = 0.055;

    private static final String RIGHT_LOGITS = "right_logits_last.npy";

    private static final String EXACT = "exact";

    /** Rows of the first sequence whose logits are compared: every 20th. */
    private static final int ROW_STEP = 20;

    /**
     * What came out of a checkpoint.
     *
     * @param name its folder
     * @param passed whether the logits agree and, in float32, the tokens: bfloat16 may decide a
     *     near tie between two tokens otherwise
     * @param logitError largest difference relative to the largest magnitude; NaN if the model did
     *     not run
     * @param greedyMatched greedy tokens that agree before the first that does not; null where
     *     nobody says what they are
     * @param ropeFrequencies the precision of the rotary frequencies that logitError and
     *     greedyMatched belong to: exact, the default, or rounded to the stored type
     * @param defaultLogitError the error of the default, so that a check which holds only with
     *     rounded frequencies is seen to
     * @param reason why the model did not run, or null
     */
    public record Result(
            String name,
            boolean passed,
            double logitError,
            Integer greedyMatched,
            String ropeFrequencies,
            double defaultLogitError,
            String reason) {

        public String describe() {
            if (reason != null) {
                return reason;
            }
            String text =
                    String.format(
                            "logits %.1e, greedy %s",
                            logitError, greedyMatched == null ? "-" : greedyMatched);
            return ropeFrequencies.equals(EXACT)
                    ? text
                    : text
                            + String.format(
                                    ", with rope.rounded_frequencies; by default logits %.1e",
                                    defaultLogitError);
        }

        private Result withDefaultError(double error) {
            return new Result(
                    name, passed, logitError, greedyMatched, ropeFrequencies, error, reason);
        }
    }

    private final String name;
    private final Path folder;
    private final ModelOptions options;

    public CheckpointCheck(String name, Path folder, ModelOptions options) {
        this.name = name;
        this.folder = folder;
        this.options = options;
    }

    /**
     * Runs the model with exact rotary frequencies, as transformers loads it, and, if that
     * disagrees, with frequencies rounded to the stored type: expected values that were made by
     * casting a whole model are of that kind.
     */
    public Result run() throws IOException {
        try {
            Result exact = run(false);
            if (exact.passed()) {
                return exact;
            }
            Result rounded = run(true);
            return rounded.logitError() < exact.logitError()
                    ? rounded.withDefaultError(exact.logitError())
                    : exact;
        } catch (ModelException | RuntimeException e) {
            return new Result(name, false, Double.NaN, null, null, Double.NaN, e.getMessage());
        }
    }

    private Result run(boolean roundedFrequencies) throws IOException, ModelException {
        options.optRoundedFrequencies(roundedFrequencies);
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            NpzFile expected = NpzFile.read(manager, folder.resolve("expected.npz"));
            CausalLm model = CausalLm.load(folder, options, manager);
            boolean isBfloat16 = model.dtype() == TorchType.BFLOAT16;
            Optional<Path> rightLogits = rightLogits();
            if (rightLogits.isPresent()) {
                NDArray right = NpzFile.readArray(manager, rightLogits.get());
                double error = lastLogitError(manager, model, expected, right);
                boolean passed = error <= (isBfloat16 ? BFLOAT16_TOLERANCE : FLOAT32_TOLERANCE);
                return result(passed, error, null, roundedFrequencies);
            }
            double error = logitError(manager, model, expected);
            long[] greedy = ids(expected.get("greedy_ids")).flatten().toLongArray();
            int matched = greedyMatched(manager, model, ids(expected.get("prompt_ids")), greedy);
            boolean passed =
                    isBfloat16
                            ? error <= BFLOAT16_TOLERANCE
                            : error <= FLOAT32_TOLERANCE && matched == greedy.length;
            return result(passed, error, matched, roundedFrequencies);
        }
    }

    private Result result(
            boolean passed, double error, Integer matched, boolean roundedFrequencies) {
        String frequencies = roundedFrequencies ? "rounded" : EXACT;
        return new Result(name, passed, error, matched, frequencies, error, null);
    }

    /** Logits that hold in place of those of expected.npz, which are of another model. */
    private Optional<Path> rightLogits() {
        Path above = folder.toAbsolutePath().normalize().getParent();
        return Stream.of(folder, above)
                .map(each -> each.resolve(RIGHT_LOGITS))
                .filter(Files::exists)
                .findFirst();
    }

    private static double lastLogitError(
            NDManager manager, CausalLm model, NpzFile expected, NDArray right) throws IOException {
        NDArray ids = ids(expected.get("input_ids"));
        int batch = (int) ids.getShape().get(0);
        int tokens = (int) ids.getShape().get(1);
        try (KvCache cache = model.newCache(manager, batch, tokens)) {
            NDArray logits = model.prefill(ids, cache, new PrefillOptions()).logits();
            return error(logits.squeeze(1), right);
        }
    }

    private static double logitError(NDManager manager, CausalLm model, NpzFile expected)
            throws IOException {
        NDArray ids = ids(expected.get("input_ids"));
        NDArray expectedLast = expected.get("logits_last");
        NDArray expectedRows = expected.get("logits_row0_every20");
        int tokens = (int) ids.getShape().get(1);
        int rows = (int) expectedRows.getShape().get(0);
        int[] positions = new int[rows + 1];
        for (int i = 0; i < rows; ++i) {
            positions[i] = ROW_STEP * i;
        }
        positions[rows] = tokens - 1;
        try (KvCache cache = model.newCache(manager, (int) ids.getShape().get(0), tokens)) {
            NDArray logits =
                    model.prefill(ids, cache, new PrefillOptions().optLogitPositions(positions))
                            .logits();
            double last = error(logits.get(new NDIndex(":, {}", rows)), expectedLast);
            return Math.max(last, error(logits.get(new NDIndex("0, :{}", rows)), expectedRows));
        }
    }

    private static int greedyMatched(
            NDManager manager, CausalLm model, NDArray prompt, long[] greedy) {
        int limit = (int) prompt.getShape().get(1) + greedy.length;
        try (KvCache cache = model.newCache(manager, 1, limit)) {
            NDArray logits = model.prefill(prompt, cache, new PrefillOptions()).logits();
            for (int i = 0; i < greedy.length; ++i) {
                long next = logits.argMax(-1).toLongArray()[0];
                if (next != greedy[i]) {
                    return i;
                }
                logits = model.decode(manager.create(new long[] {next}, new Shape(1, 1)), cache);
            }
        }
        return greedy.length;
    }

    private static NDArray ids(NDArray array) {
        NDArray ids = array.toType(DataType.INT64, false);
        return ids.getShape().dimension() == 1 ? ids.expandDims(0) : ids;
    }

    private static double error(NDArray found, NDArray expected) {
        return found.sub(expected).abs().max().getFloat() / expected.abs().max().getFloat();
    }
}

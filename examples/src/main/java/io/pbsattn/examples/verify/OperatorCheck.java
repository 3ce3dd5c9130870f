package io.pbsattn.examples.verify;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.AttentionOutput;
import io.pbsattn.AttentionTrace;
import io.pbsattn.PbsAttention;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;

/** Runs one case of reference data and counts what differs. */
public final class OperatorCheck {

    /** Largest error of float32 outputs, relative to the output's largest magnitude. */
    private static final double FLOAT32_TOLERANCE = 1e-5;

    /** The same where logits are in the hundreds, and their rounding counts. */
    private static final double FLOAT32_TOLERANCE_BIG_LOGITS = 5e-5;

    /** Logits count as big from here on. */
    private static final double BIG_LOGITS = 100;

    /** Largest relative Frobenius error of half-precision outputs. */
    private static final double HALF_TOLERANCE = 1e-2;

    /** Largest error of log-sum-exp, relative to the larger of 1 and its largest magnitude. */
    private static final double LSE_TOLERANCE = 1e-5;

    /** Two keys whose scores differ by a smaller share are equal to arithmetic error. */
    private static final double SCORE_TOLERANCE = 1e-4;

    /** A row whose cumulative sum comes nearer to the threshold may fall to either side. */
    private static final double MARGIN = 1e-4;

    /** Expected densities are written to four digits. */
    private static final double DENSITY_TOLERANCE = 1e-4;

    /**
     * What came out of a case.
     *
     * @param name the case's name
     * @param passed whether everything holds
     * @param outError error of the output
     * @param lseError error of log-sum-exp
     * @param orderViolations neighbouring keys in the wrong order, and indexes that are not of the
     *     key's segment
     * @param maskMismatches blocks that are kept and should not be, or the reverse
     * @param density share of the causal blocks that were computed
     */
    public record Result(
            String name,
            boolean passed,
            double outError,
            double lseError,
            long orderViolations,
            long maskMismatches,
            double density) {}

    private final OperatorCase operatorCase;
    private final NpzFile arrays;
    private final TorchType type;

    /** Whether a row fell to the other side of the threshold, so that the density differs too. */
    private boolean hasCloseRow;

    public OperatorCheck(OperatorCase operatorCase, NpzFile arrays, TorchType type) {
        this.operatorCase = operatorCase;
        this.arrays = arrays;
        this.type = type;
    }

    public Result run(NDManager manager, String backend) throws IOException {
        NDArray q = LibTorch.get().toType(manager, arrays.get("q"), type);
        NDArray k = LibTorch.get().toType(manager, arrays.get("k"), type);
        NDArray v = LibTorch.get().toType(manager, arrays.get("v"), type);
        requireShapes(q.getShape());
        AttentionTrace trace = new AttentionTrace();
        PbsAttention attention = PbsAttention.create(operatorCase.config(), backend);
        try (AttentionOutput output = attention.forward(q, k, v, null, trace);
                AttentionOutput plain = attention.withoutLse().forward(q, k, v)) {
            NDArray lse = output.lse().toType(DataType.FLOAT64, false);
            NDArray expected = arrays.get("out").toType(DataType.FLOAT64, false);
            NDArray expectedLse = arrays.get("lse").toType(DataType.FLOAT64, false);
            boolean half = type == TorchType.BFLOAT16 || type == TorchType.FLOAT16;
            // Computed in two ways on some backends.
            double outError =
                    Math.max(
                            outError(manager, output, expected, half),
                            outError(manager, plain, expected, half));
            double lseError = largest(lse.sub(expectedLse)) / Math.max(1, largest(expectedLse));
            long orderViolations = orderViolations(trace);
            long maskMismatches = maskMismatches(trace);
            double density = output.report().density();
            boolean passed =
                    outError <= tolerance(half, expectedLse)
                            && lseError <= LSE_TOLERANCE
                            && orderViolations == 0
                            && maskMismatches == 0
                            && (hasCloseRow || isExpectedDensity(density));
            return new Result(
                    operatorCase.name(),
                    passed,
                    outError,
                    lseError,
                    orderViolations,
                    maskMismatches,
                    density);
        }
    }

    private static double outError(
            NDManager manager, AttentionOutput output, NDArray expected, boolean half) {
        NDArray o = LibTorch.get().toType(manager, output.o(), TorchType.FLOAT64);
        NDArray error = o.sub(expected);
        return half ? norm(error) / norm(expected) : largest(error) / largest(expected);
    }

    /** Expected arrays of another shape would be broadcast, or read as another head's. */
    private void requireShapes(Shape q) throws IOException {
        long segment = operatorCase.config().segmentSize();
        long complete = q.get(2) / segment * segment;
        requireShape("out", q);
        requireShape("lse", q.slice(0, 3));
        requireShape("key_scores", new Shape(q.get(0), q.get(1), complete));
        requireShape("block_scores", arrays.get("block_mask").getShape());
    }

    private void requireShape(String name, Shape expected) throws IOException {
        Shape found = arrays.get(name).getShape();
        if (!found.equals(expected)) {
            throw new IOException(
                    String.format(
                            "%s: array '%s': expected shape %s, found %s",
                            operatorCase.name(), name, expected, found));
        }
    }

    private boolean isExpectedDensity(double density) {
        double expected = operatorCase.density().orElse(density);
        return Math.abs(density - expected) <= DENSITY_TOLERANCE;
    }

    private static double tolerance(boolean half, NDArray expectedLse) {
        if (half) {
            return HALF_TOLERANCE;
        }
        // The log-sum-exp is as large as the largest logit of its row.
        return largest(expectedLse) > BIG_LOGITS ? FLOAT32_TOLERANCE_BIG_LOGITS : FLOAT32_TOLERANCE;
    }

    private long orderViolations(AttentionTrace trace) throws IOException {
        NDArray keyScores = arrays.get("key_scores");
        int complete = (int) keyScores.getShape().get(2);
        int segment = operatorCase.config().segmentSize();
        float[] all =
                complete == 0
                        ? new float[0]
                        : keyScores.toType(DataType.FLOAT32, false).toFloatArray();
        int heads = (int) keyScores.getShape().get(1);
        long violations = 0;
        for (int b = 0; b < keyScores.getShape().get(0); ++b) {
            for (int h = 0; h < heads; ++h) {
                int[] order = trace.indices(b, h);
                int base = (b * heads + h) * complete;
                BitSet seen = new BitSet();
                for (int index = 0; index < order.length; ++index) {
                    seen.set(order[index]);
                    boolean own =
                            index < complete
                                    ? index / segment == order[index] / segment
                                    : index == order[index];
                    violations += own ? 0 : 1;
                    if (own && index + 1 < complete && (index + 1) % segment != 0) {
                        float here = all[base + order[index]];
                        float next = all[base + order[index + 1]];
                        violations += next > here * (1 + SCORE_TOLERANCE) ? 1 : 0;
                    }
                }
                violations += order.length - seen.cardinality();
            }
        }
        return violations;
    }

    private long maskMismatches(AttentionTrace trace) throws IOException {
        NDArray mask = arrays.get("block_mask").toType(DataType.BOOLEAN, false);
        NDArray blockScores = arrays.get("block_scores").toType(DataType.FLOAT32, false);
        boolean[] expected = mask.toBooleanArray();
        float[] scores = blockScores.toFloatArray();
        int heads = (int) mask.getShape().get(1);
        int columns = trace.kBlocks();
        int size = trace.qBlocks() * columns;
        if (mask.getShape().size() != mask.getShape().get(0) * heads * size) {
            throw new IOException(
                    operatorCase.name()
                            + ": block_mask: expected "
                            + trace.qBlocks()
                            + " x "
                            + columns
                            + " blocks, found "
                            + mask.getShape());
        }
        long mismatches = 0;
        for (int b = 0; b < mask.getShape().get(0); ++b) {
            for (int h = 0; h < heads; ++h) {
                boolean[] found = trace.blockMask(b, h);
                int base = (b * heads + h) * size;
                for (int row = 0; row < trace.qBlocks(); ++row) {
                    int begin = base + row * columns;
                    long differing = 0;
                    for (int j = 0; j < columns; ++j) {
                        differing += found[row * columns + j] == expected[begin + j] ? 0 : 1;
                    }
                    if (differing > 0) {
                        boolean close = isClose(Arrays.copyOfRange(scores, begin, begin + columns));
                        hasCloseRow |= close;
                        mismatches += close ? 0 : differing;
                    }
                }
            }
        }
        return mismatches;
    }

    /**
     * Tells whether a cumulative sum of a row comes so near to the threshold that rounding decides.
     */
    private boolean isClose(float[] row) {
        Arrays.sort(row);
        double sum = 0;
        for (int i = row.length - 1; i >= 0; --i) {
            sum += row[i];
            if (row[i] > 0 && Math.abs(sum - operatorCase.config().threshold()) < MARGIN) {
                return true;
            }
        }
        return false;
    }

    private static double largest(NDArray x) {
        return x.abs().max().getDouble();
    }

    private static double norm(NDArray x) {
        return Math.sqrt(x.square().sum().getDouble());
    }
}

package io.pbsattn;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Arrays;
import java.util.Random;
import org.testng.Assert;
import org.testng.Reporter;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/**
 * Compares backends with the reference backend in float64 on random shapes, strides, lengths,
 * options and element types.
 *
 * <p>Another seed each time; it is printed, and {@code -Dpbs.test.seed=SEED} repeats a run.
 */
public class RandomDifferentialTest {

    private static final int CASES = 60;
    private static final int[] BLOCK_SIZES = {16, 32, 50, 64, 128};

    /** Scores that differ by less, relative to their size, may stand in either order. */
    private static final double NEAR_TIE = 1e-4;

    @DataProvider
    public Object[][] backends() {
        return Backed.names().stream()
                .filter(name -> !"reference".equals(name))
                .map(name -> new Object[] {name})
                .toArray(Object[][]::new);
    }

    @Test(dataProvider = "backends")
    public void equalsReference(String backend) {
        long seed = Long.getLong("pbs.test.seed", System.nanoTime());
        Reporter.log("RandomDifferentialTest on " + backend + ": seed " + seed, true);
        int heads = 0;
        int compared = 0;
        for (int n = 0; n < CASES; ++n) {
            RandomCase random = new RandomCase(new Random(seed + n));
            heads += random.batch * random.qHeads;
            compared += random.compare(backend, "seed " + seed + ", case " + n + ": " + random);
        }
        // Heads whose keys or blocks tie within arithmetic error are not compared; they are rare.
        Assert.assertTrue(
                compared >= 0.8 * heads,
                "only " + compared + " of " + heads + " heads compared, seed " + seed);
    }

    /** One call with random inputs. */
    private static final class RandomCase {

        private final Random random;
        private final TorchType type;
        private final int batch;
        private final int kvHeads;
        private final int qHeads;
        private final int headDim;
        private final int seqlenQ;
        private final int seqlenK;
        private final boolean rowsFirst;
        private final PbsConfig config;
        private final SequenceLengths lengths;

        RandomCase(Random random) {
            this.random = random;
            type =
                    new TorchType[] {TorchType.FLOAT32, TorchType.BFLOAT16, TorchType.FLOAT16}
                            [random.nextInt(3)];
            batch = pick(1, 2);
            kvHeads = pick(1, 2);
            qHeads = kvHeads * pick(1, 5);
            headDim = random.nextBoolean() ? 32 * pick(1, 4) : pick(1, 160);
            seqlenK = pick(1, 900);
            seqlenQ = random.nextBoolean() ? seqlenK : pick(1, seqlenK);
            rowsFirst = random.nextBoolean();
            int block = BLOCK_SIZES[random.nextInt(BLOCK_SIZES.length)];
            config =
                    PbsConfig.builder()
                            .optBlockSize(block)
                            .optSegmentSize(block * pick(1, 4))
                            .optThreshold(pick(0, 10) / 10.0)
                            .optForceFirstBlock(random.nextBoolean())
                            .optKeyOrder(
                                    random.nextBoolean()
                                            ? KeyOrder.PER_QUERY_HEAD
                                            : KeyOrder.PER_KV_HEAD)
                            .optMinLength(random.nextInt(4) == 0 ? seqlenK + pick(0, 1) : 0)
                            .optWindow(random.nextInt(3) == 0 ? pick(1, seqlenK + 1) : 0)
                            .optSoftmaxScale((0.5 + random.nextDouble()) / Math.sqrt(headDim))
                            .build();
            lengths = random.nextBoolean() ? null : randomLengths();
        }

        /** Returns the number of heads whose output was compared. */
        int compare(String backend, String what) {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                NDArray q = array(manager, qHeads, seqlenQ);
                NDArray k = array(manager, kvHeads, seqlenK);
                NDArray v = array(manager, kvHeads, seqlenK);
                AttentionTrace expectedTrace = new AttentionTrace();
                AttentionOutput expected =
                        PbsAttention.create(config, "reference")
                                .forward(
                                        float64(q), float64(k), float64(v), lengths, expectedTrace);
                AttentionTrace foundTrace = new AttentionTrace();
                PbsAttention attention = PbsAttention.create(config, backend);
                AttentionOutput found = attention.forward(q, k, v, lengths, foundTrace);
                NDArray o = float64(found.o());
                NDArray plain = float64(attention.withoutLse().forward(q, k, v, lengths).o());
                int compared = 0;
                for (int b = 0; b < batch; ++b) {
                    for (int h = 0; h < qHeads; ++h) {
                        boolean same =
                                sameOrder(expectedTrace, foundTrace, b, h, what)
                                        && sameBlocks(expectedTrace, foundTrace, b, h, what);
                        if (same) {
                            ++compared;
                            NDIndex head =
                                    new NDIndex("{}, {}, :{}", b, h, lengthsQ(b)); // no padding
                            checkOutput(o.get(head), expected.o().get(head), what);
                            checkOutput(plain.get(head), expected.o().get(head), what + ", no lse");
                            double lseError =
                                    found.lse()
                                            .get(head)
                                            .sub(expected.lse().get(head))
                                            .abs()
                                            .max()
                                            .getDouble();
                            Assert.assertTrue(lseError <= 1e-5, what + ": lse error " + lseError);
                        }
                    }
                }
                return compared;
            }
        }

        private void checkOutput(NDArray found, NDArray expected, String what) {
            double error =
                    type == TorchType.FLOAT32
                            ? Arrays4.maxError(found, expected)
                            : Arrays4.frobeniusError(found, expected);
            double bound =
                    switch (type) {
                        case FLOAT32 -> 1e-5;
                        case BFLOAT16 -> 5e-3;
                        default -> 5e-4;
                    };
            Assert.assertTrue(error <= bound, what + ": output error " + error);
        }

        /**
         * Whether a head's keys stand in the same order; where not, keys near a tie are swapped.
         */
        private boolean sameOrder(
                AttentionTrace expected, AttentionTrace found, int b, int h, String what) {
            int[] order = found.indices(b, h);
            int[] expectedOrder = expected.indices(b, h);
            float[] scores = expected.keyScores(b, h);
            for (int place = 0; place < lengthsK(b); ++place) {
                float here = scores[order[place]];
                float there = scores[expectedOrder[place]];
                Assert.assertTrue(
                        Math.abs(here - there) <= NEAR_TIE * there, what + ": key at " + place);
            }
            return Arrays.equals(order, 0, lengthsK(b), expectedOrder, 0, lengthsK(b));
        }

        /** Whether a head keeps the same blocks; where not, the scores are near a tie. */
        private boolean sameBlocks(
                AttentionTrace expected, AttentionTrace found, int b, int h, String what) {
            boolean[] mask = found.blockMask(b, h);
            boolean[] expectedMask = expected.blockMask(b, h);
            float[] scores = expected.blockScores(b, h);
            for (int i = 0; i < found.qBlocks(); ++i) {
                double mass = 0;
                double expectedMass = 0;
                for (int j = 0; j < found.kBlocks(); ++j) {
                    int at = i * found.kBlocks() + j;
                    mass += mask[at] ? scores[at] : 0;
                    expectedMass += expectedMask[at] ? scores[at] : 0;
                }
                boolean enough = mass >= config.threshold() - NEAR_TIE || mass >= expectedMass;
                Assert.assertTrue(enough, what + ": mass kept in row " + i + ": " + mass);
            }
            return Arrays.equals(mask, expectedMask);
        }

        private SequenceLengths randomLengths() {
            int[] q = new int[batch];
            int[] k = new int[batch];
            for (int b = 0; b < batch; ++b) {
                q[b] = pick(1, seqlenQ);
                k[b] = pick(q[b], seqlenK);
            }
            return new SequenceLengths(q, k);
        }

        private int lengthsQ(int b) {
            return lengths == null ? seqlenQ : lengths.q(b);
        }

        private int lengthsK(int b) {
            return lengths == null ? seqlenK : lengths.k(b);
        }

        /** Normal noise of this case's type, as rows of heads or as heads of rows in memory. */
        private NDArray array(NDManager manager, int heads, int rows) {
            NDArray values =
                    rowsFirst
                            ? Arrays4.normal(manager, random, batch, rows, heads, headDim)
                            : Arrays4.normal(manager, random, batch, heads, rows, headDim);
            NDArray typed = LibTorch.get().toType(manager, values, type);
            return rowsFirst ? typed.swapAxes(1, 2) : typed;
        }

        private int pick(int low, int high) {
            return low + random.nextInt(high - low + 1);
        }

        private static NDArray float64(NDArray array) {
            return LibTorch.get().toType(array.getManager(), array, TorchType.FLOAT64);
        }

        @Override
        public String toString() {
            return String.format(
                    "%s, batch %d, heads %d/%d of %d, %d/%d tokens, rowsFirst %b, %s, %s",
                    type, batch, qHeads, kvHeads, headDim, seqlenQ, seqlenK, rowsFirst, lengths,
                    config);
        }
    }
}

package io.pbsattn;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Compares every backend with the golden data, intermediates included. */
public class GoldenOperatorTest {

    /**
     * Two scores that differ by less are equal to arithmetic error, and may stand in either order.
     */
    private static final double SCORE_TOLERANCE = 1e-4;

    @DataProvider
    public Object[][] cases() throws IOException {
        List<Object[]> rows = new ArrayList<>();
        for (String backend : Backed.names()) {
            for (GoldenCase golden : GoldenCase.all()) {
                rows.add(new Object[] {backend, golden, TorchType.FLOAT32});
                if (!"reference".equals(backend)) {
                    rows.add(new Object[] {backend, golden, TorchType.BFLOAT16});
                    rows.add(new Object[] {backend, golden, TorchType.FLOAT16});
                }
            }
        }
        return rows.toArray(new Object[0][]);
    }

    @Test(dataProvider = "cases")
    public void matchesGoldenData(String backend, GoldenCase golden, TorchType type)
            throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDList arrays = golden.arrays(manager);
            NDArray[] qkv = new NDArray[3];
            for (int i = 0; i < 3; ++i) {
                NDArray stored = GoldenCase.named(arrays, "qkv".substring(i, i + 1));
                qkv[i] = LibTorch.get().toType(manager, stored, type);
            }
            AttentionTrace trace = new AttentionTrace();
            PbsAttention attention = PbsAttention.create(golden.config(), backend);
            AttentionOutput output = attention.forward(qkv[0], qkv[1], qkv[2], null, trace);
            AttentionOutput plain = attention.withoutLse().forward(qkv[0], qkv[1], qkv[2]);
            Assert.assertNull(plain.lse());
            for (NDArray found : List.of(output.o(), plain.o())) {
                checkOutput(
                        LibTorch.get().toType(manager, found, TorchType.FLOAT64),
                        golden,
                        arrays,
                        type);
            }
            double lseError = Arrays4.maxError(output.lse(), GoldenCase.named(arrays, "lse"));
            Assert.assertTrue(
                    lseError <= (type == TorchType.FLOAT32 ? 1e-5 : 1e-3), "lse " + lseError);
            Assert.assertEquals(output.report().density(), golden.density(), 1e-4);
            checkOrder(golden, arrays, trace);
            checkMask(arrays, trace);
        }
    }

    private static void checkOutput(NDArray o, GoldenCase golden, NDList arrays, TorchType type) {
        NDArray expected = GoldenCase.named(arrays, "out");
        boolean bigLogits = golden.toString().startsWith("big_logits");
        if (type == TorchType.FLOAT32) {
            double error = Arrays4.maxError(o, expected);
            Assert.assertTrue(error <= (bigLogits ? 5e-5 : 1e-5), "output error " + error);
        } else {
            double error = Arrays4.frobeniusError(o, expected);
            Assert.assertTrue(error <= 1e-2, "output error " + error);
        }
    }

    private static void checkOrder(GoldenCase golden, NDList arrays, AttentionTrace trace) {
        NDArray keyScores = GoldenCase.named(arrays, "key_scores");
        int segment = golden.config().segmentSize();
        int heads = (int) keyScores.getShape().get(1);
        int complete = (int) keyScores.getShape().get(2);
        for (int b = 0; b < keyScores.getShape().get(0); ++b) {
            for (int h = 0; h < heads; ++h) {
                float[] scores = complete == 0 ? new float[0] : keyScores.get(b, h).toFloatArray();
                int[] order = trace.indices(b, h);
                for (int place = 0; place < order.length; ++place) {
                    boolean sameSegment = (place + 1) % segment != 0 && place + 1 < complete;
                    if (sameSegment) {
                        float here = scores[order[place]];
                        float next = scores[order[place + 1]];
                        Assert.assertTrue(
                                next <= here * (1 + SCORE_TOLERANCE), "order at " + place);
                    }
                }
                int[] sorted = order.clone();
                Arrays.sort(sorted);
                for (int place = 0; place < order.length; ++place) {
                    Assert.assertEquals(sorted[place], place, "a permutation");
                    boolean inPlace =
                            place >= complete || place / segment == order[place] / segment;
                    Assert.assertTrue(inPlace, "inside its segment");
                }
            }
        }
    }

    private static void checkMask(NDList arrays, AttentionTrace trace) {
        NDArray mask = GoldenCase.named(arrays, "block_mask").toType(DataType.BOOLEAN, false);
        NDArray scores = GoldenCase.named(arrays, "block_scores");
        for (int b = 0; b < mask.getShape().get(0); ++b) {
            for (int h = 0; h < mask.getShape().get(1); ++h) {
                Assert.assertEquals(trace.blockMask(b, h), mask.get(b, h).toBooleanArray());
                float[] expected = scores.get(b, h).toFloatArray();
                float[] found = trace.blockScores(b, h);
                for (int i = 0; i < expected.length; ++i) {
                    Assert.assertEquals(found[i], expected[i], 1e-3);
                }
            }
        }
    }
}

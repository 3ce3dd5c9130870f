package io.pbsattn.block;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.pbsattn.Arrays4;
import io.pbsattn.AttentionOutput;
import io.pbsattn.Backends;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.PrefillReport;
import io.pbsattn.Requirement;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.Test;

/**
 * Where no kernel takes a call dense attention runs, never the reference, and the report says so.
 */
public class ModelAttentionTest {

    private static final int LENGTH = 700;
    private static final PbsConfig SPARSE =
            PbsConfig.builder().optMinLength(0).optThreshold(0.5).build();

    /** No kernel takes float64, which dense attention and the reference do. */
    @Test
    public void denseAttentionRunsWhatNoKernelTakes() {
        for (int window : new int[] {0, 200}) {
            PbsConfig config = SPARSE.toBuilder().optWindow(window).build();
            ModelAttention attention = new ModelAttention(PbsAttention.create(config));
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                NDArray q = normal(manager, 4);
                NDArray k = normal(manager, 2);
                AttentionOutput output = attention.forward(q, k, k);
                NDArray dense = DenseAttention.forward(q, k, k, config.softmaxScale(32), window);
                Assert.assertEquals(output.o(), dense);
                long blocks = 8L * (window == 0 ? 2 + 2 + 4 + 4 + 6 + 6 : 1 + 2 + 3 + 3 + 3 + 3);
                Assert.assertEquals(attention.causalBlocks(q, k), blocks);
                PrefillReport report = output.report();
                Assert.assertEquals(report.backend(), PrefillReport.PYTORCH);
                Assert.assertEquals(report.causalBlocks(), blocks);
                Assert.assertEquals(report.keptBlocks(), blocks);
                Assert.assertNull(output.lse());
            }
        }
    }

    @Test
    public void aKernelRunsWhatItTakesAndMixesInTheReport() {
        ModelAttention attention = new ModelAttention(PbsAttention.create(SPARSE));
        if (attention.backendName().equals(PrefillReport.PYTORCH)) {
            throw Requirement.CPU.missing("no kernels on this machine");
        }
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray q = normal(manager, 4);
            NDArray k = normal(manager, 2);
            PrefillReport dense = attention.forward(q, k, k).report();
            NDArray q32 = q.toType(DataType.FLOAT32, false);
            NDArray k32 = k.toType(DataType.FLOAT32, false);
            AttentionOutput output = attention.forwardOver(q32, k32, k32);
            Assert.assertSame(output.o(), q32);
            PrefillReport kernel = output.report();
            Assert.assertTrue(kernel.density() < 1, "" + kernel);
            PrefillReport both = kernel.plus(dense);
            Assert.assertEquals(both.parts().size(), 2);
            Assert.assertEquals(both.backend(), kernel.backend() + "+pytorch");
            Assert.assertEquals(both.causalBlocks(), 2 * dense.causalBlocks());
            Assert.assertEquals(both.density(), (kernel.density() + 1) / 2, 1e-12);
        }
    }

    @Test
    public void aForcedBackendRunsOrSaysWhyNot() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray q = normal(manager, 4);
            NDArray k = normal(manager, 2);
            ModelAttention reference = new ModelAttention(PbsAttention.create(SPARSE, "reference"));
            PrefillReport report = reference.forward(q, k, k).report();
            Assert.assertEquals(report.backend(), "reference");
            if (Backends.list().stream().anyMatch(b -> b.name().equals("cpu") && b.usable())) {
                ModelAttention cpu = new ModelAttention(PbsAttention.create(SPARSE, "cpu"));
                IllegalArgumentException e =
                        Assert.expectThrows(
                                IllegalArgumentException.class, () -> cpu.forward(q, k, k));
                Assert.assertTrue(
                        e.getMessage().contains("cpu: expected float32, bfloat16 or float16"),
                        e.getMessage());
            }
        }
    }

    private static NDArray normal(NDManager manager, int heads) {
        return Arrays4.normal(manager, new Random(heads), 2, heads, LENGTH, 32);
    }
}

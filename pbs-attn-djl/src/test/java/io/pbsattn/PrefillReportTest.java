package io.pbsattn;

import java.util.List;
import org.testng.Assert;
import org.testng.annotations.Test;

public class PrefillReportTest {

    private static final PrefillReport CPU = new PrefillReport("cpu", "avx2", 30, 100, 1, 2, 3, 7);

    @Test
    public void oneBackendAddsUp() {
        PrefillReport sum = CPU.plus(new PrefillReport("cpu", "avx2", 50, 60, 10, 20, 30, 70));
        Assert.assertEquals(
                sum, new PrefillReport("cpu", "avx2", 80, 160, 11, 22, 33, 77), "one part");
        Assert.assertEquals(sum.density(), 0.5);
        Assert.assertEquals(sum.backend(), "cpu");
        Assert.assertEquals(sum.isa(), "avx2");
    }

    /** Dense layers keep all their blocks, so they raise the density of the whole. */
    @Test
    public void denseLayersCount() {
        PrefillReport sum = CPU.plus(PrefillReport.dense(PrefillReport.PYTORCH, 40, 5));
        Assert.assertEquals(sum.density(), 0.5);
        Assert.assertEquals(sum.keptBlocks(), 70);
        Assert.assertEquals(sum.causalBlocks(), 140);
        Assert.assertEquals(sum.permuteSeconds(), 1.0);
        Assert.assertEquals(sum.selectSeconds(), 2.0);
        Assert.assertEquals(sum.attendSeconds(), 8.0);
        Assert.assertEquals(sum.totalSeconds(), 12.0);
    }

    @Test
    public void eachBackendHasItsPart() {
        PrefillReport gpu = new PrefillReport("cuda", "sm_90", 10, 1000, 0, 0, 1, 1);
        PrefillReport sum =
                PrefillReport.dense(PrefillReport.PYTORCH, 40, 5)
                        .plus(CPU)
                        .plus(gpu)
                        .plus(CPU)
                        .plus(new PrefillReport("cpu", "avx512", 1, 2, 0, 0, 0, 0));
        Assert.assertEquals(
                sum.parts().stream().map(p -> p.backend() + p.isa() + p.causalBlocks()).toList(),
                List.of("pytorch40", "cpuavx2200", "cudasm_901000", "cpuavx5122"));
        Assert.assertEquals(sum.backend(), "cuda+cpu+pytorch", "by blocks, each once");
        Assert.assertEquals(sum.isa(), "sm_90+avx2+avx512");
        Assert.assertEquals(sum.density(), (40 + 60 + 10 + 1) / 1242.0);
    }

    @Test
    public void nothingIsNoReport() {
        Assert.assertEquals(new PrefillReport("cpu", "", 0, 0, 0, 0, 0, 0).density(), 1.0);
        Assert.expectThrows(IllegalArgumentException.class, () -> new PrefillReport(List.of()));
    }
}

package io.pbsattn.torchscript;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.testng.Assert;
import org.testng.annotations.Test;

public class SdpaReportTest {

    @Test
    public void saysWhyCallsDidNotRun() {
        SdpaReport report =
                new SdpaReport(
                        Map.of(
                                SdpaRoute.NO_KERNEL,
                                2L,
                                SdpaRoute.PBS,
                                3L,
                                SdpaRoute.FEW_QUERIES,
                                4L),
                        Optional.empty(),
                        List.of("cpu: headDim", "cuda: type"));
        Assert.assertTrue(report.ranPbs());
        Assert.assertEquals(
                report.summary(),
                "Permuted Block-Sparse Attention ran in 3 of 9 attention calls. 4 of 9: fewer"
                        + " queries than a block has. 2 of 9: no kernel takes the call (cpu:"
                        + " headDim; cuda: type)");
    }

    @Test
    public void saysThatAModelHasNoSuchCalls() {
        SdpaReport report = new SdpaReport(Map.of(), Optional.empty(), List.of());
        Assert.assertFalse(report.ranPbs());
        Assert.assertTrue(
                report.summary().endsWith("The model calls no scaled_dot_product_attention"),
                report.summary());
    }
}

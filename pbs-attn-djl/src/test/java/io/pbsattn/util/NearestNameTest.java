package io.pbsattn.util;

import java.util.List;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class NearestNameTest {

    private static final List<String> OURS =
            List.of(
                    "attention",
                    "attention.threshold",
                    "attention.block_size",
                    "attention.segment_size",
                    "context_limit",
                    "dtype");

    @DataProvider
    public static Object[][] slips() {
        return new Object[][] {
            {"attenton", "attention"},
            {"Attention", "attention"},
            {"attnetion", "attention"},
            {"attention.treshold", "attention.threshold"},
            {"attenton.threshold", "attention.threshold"},
            {"attention_threshold", "attention.threshold"},
            {"attention.blockSize", "attention.block_size"},
            {"attention.segmentsize", "attention.segment_size"},
            {"pbs.threshold", "attention.threshold"},
            {"pbs.block_size", "attention.block_size"},
            {"contextLimit", "context_limit"},
            {"dytpe", "dtype"},
        };
    }

    @Test(dataProvider = "slips")
    public void slipsAreRefusedWithTheNearestName(String slip, String nearest) {
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () -> NearestName.refuseIfLikeOurs(slip, OURS));
        Assert.assertEquals(
                e.getMessage(), "unknown option '" + slip + "'; did you mean '" + nearest + "'?");
    }

    @Test
    public void ourNamesAndThoseOfOthersPass() {
        OURS.forEach(name -> NearestName.refuseIfLikeOurs(name, OURS));
        for (String name :
                List.of(
                        "",
                        "blockFactory",
                        "translatorFactory",
                        "mapLocation",
                        "batch_size",
                        "maxBatchDelay",
                        "type",
                        "attn",
                        "a.threshold")) {
            NearestName.refuseIfLikeOurs(name, OURS);
        }
    }

    @Test
    public void swappedNeighboursAreOneSlipAndTheFirstOfEqualsWins() {
        Assert.assertEquals(NearestName.of("ab", List.of("ba", "a", "b")), "ba");
        Assert.assertEquals(NearestName.of("", List.of("abc", "xy")), "xy");
        Assert.assertEquals(NearestName.of("kitten", List.of("sitting", "mitten")), "mitten");
    }
}

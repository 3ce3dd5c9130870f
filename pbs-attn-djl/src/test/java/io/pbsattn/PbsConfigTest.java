package io.pbsattn;

import io.pbsattn.torch.TorchType;
import org.testng.Assert;
import org.testng.annotations.Test;

public class PbsConfigTest {

    @Test
    public void defaultsAreThePapers() {
        Assert.assertEquals(PbsConfig.DEFAULT.blockSize(), 128);
        Assert.assertEquals(PbsConfig.DEFAULT.segmentSize(), 256);
        Assert.assertEquals(PbsConfig.DEFAULT.threshold(), 0.9);
        Assert.assertTrue(PbsConfig.DEFAULT.forceFirstBlock());
        Assert.assertEquals(PbsConfig.DEFAULT.softmaxScale(64), 0.125);
        Assert.assertEquals(PbsConfig.DEFAULT.keyOrder(), KeyOrder.PER_QUERY_HEAD);
        Assert.assertEquals(PbsConfig.DEFAULT.minLength(TorchType.FLOAT32), 3072);
        Assert.assertEquals(PbsConfig.DEFAULT.minLength(TorchType.BFLOAT16), 6144);
        Assert.assertEquals(
                PbsConfig.builder().optMinLength(7).build().minLength(TorchType.FLOAT32), 7);
    }

    @Test
    public void thresholdIsANumberOrAll() {
        Assert.assertTrue(PbsConfig.builder().optThreshold("all").build().keepsEveryBlock());
        Assert.assertEquals(PbsConfig.builder().optThreshold("0.5").build().threshold(), 0.5);
        refused("'most'", () -> PbsConfig.builder().optThreshold("most"));
    }

    @Test
    public void argumentsSetWhatTheyName() {
        PbsConfig.Builder builder = PbsConfig.builder();
        for (String name : PbsConfig.argumentNames()) {
            String value = name.endsWith("threshold") ? "0.5" : "256";
            Assert.assertTrue(builder.optArgument(name, value), name);
            refused(name.substring(name.indexOf('.') + 1), () -> builder.optArgument(name, "x"));
        }
        PbsConfig config = builder.build();
        Assert.assertEquals(config.threshold(), 0.5);
        Assert.assertEquals(config.blockSize(), 256);
        Assert.assertEquals(config.segmentSize(), 256);
        Assert.assertEquals(config.minLength(TorchType.FLOAT32), 256);
        Assert.assertEquals(PbsConfig.argumentNames().size(), 4);
        Assert.assertFalse(builder.optArgument("attention.treshold", "0.5"));
    }

    @Test
    public void toBuilderKeepsEverySetting() {
        PbsConfig config =
                PbsConfig.builder()
                        .optBlockSize(64)
                        .optSegmentSize(192)
                        .optThreshold(0.3)
                        .optForceFirstBlock(false)
                        .optSoftmaxScale(0.7)
                        .optKeyOrder(KeyOrder.PER_KV_HEAD)
                        .optMinLength(5)
                        .optWindow(11)
                        .build();
        Assert.assertEquals(config.toBuilder().build().toString(), config.toString());
        Assert.assertEquals(config.window(), 11);
        Assert.assertEquals(PbsConfig.DEFAULT.window(), 0);
    }

    @Test
    public void valuesOutOfRangeAreNamed() {
        refused("threshold", () -> PbsConfig.builder().optThreshold(1.5).build());
        refused("threshold", () -> PbsConfig.builder().optThreshold(Double.NaN).build());
        refused("blockSize", () -> PbsConfig.builder().optBlockSize(0).build());
        refused("segmentSize", () -> PbsConfig.builder().optSegmentSize(300).build());
        refused("softmaxScale", () -> PbsConfig.builder().optSoftmaxScale(-1));
        refused("minLength", () -> PbsConfig.builder().optMinLength(-1));
        refused("window", () -> PbsConfig.builder().optWindow(-1));
        refused("keyOrder", () -> PbsConfig.builder().optKeyOrder(null).build());
        refused("sequence 1", () -> new SequenceLengths(new int[] {1, 0}, new int[] {1, 1}));
        refused("sequence 0", () -> new SequenceLengths(new int[] {5}, new int[] {4}));
    }

    private static void refused(String word, Assert.ThrowingRunnable code) {
        IllegalArgumentException e = Assert.expectThrows(IllegalArgumentException.class, code);
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
    }
}

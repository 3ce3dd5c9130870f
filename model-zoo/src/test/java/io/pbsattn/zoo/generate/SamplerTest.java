package io.pbsattn.zoo.generate;

import com.google.gson.Gson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Compares what may come next, and how likely it is, with transformers' logits processors. */
public class SamplerTest {

    private static final Path CASES = Path.of("src/test/resources/sampling/transformers.json");

    /** One case of the file; its names are those of the JSON. */
    @SuppressWarnings({"checkstyle:MemberName", "ArrayRecordComponent"})
    private record Case(
            String name,
            double repetition_penalty,
            double presence_penalty,
            double frequency_penalty,
            double temperature,
            int top_k,
            double top_p,
            double min_p,
            long[] prompt,
            int[] answer,
            float[] logits,
            double[] probabilities) {

        Sampler sampler(long seed) {
            GenerationOptions options =
                    new GenerationOptions()
                            .optDoSample(true)
                            .optTemperature(temperature)
                            .optTopK(top_k)
                            .optTopP(top_p)
                            .optMinP(min_p)
                            .optRepetitionPenalty(repetition_penalty)
                            .optPresencePenalty(presence_penalty)
                            .optFrequencyPenalty(frequency_penalty)
                            .optSeed(seed);
            Sampler sampler = new Sampler(options.sampling(new GenerationOptions()), prompt);
            for (int id : answer) {
                // A distribution with a single token: the sampler must choose it and counts it.
                float[] certain = new float[logits.length];
                Arrays.fill(certain, Float.NEGATIVE_INFINITY);
                certain[id] = 1;
                Assert.assertEquals(sampler.next(certain), id);
            }
            return sampler;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    @DataProvider
    public Object[][] cases() throws IOException {
        Case[] cases = new Gson().fromJson(Files.readString(CASES), Case[].class);
        Assert.assertTrue(cases.length >= 20);
        return Arrays.stream(cases).map(c -> new Object[] {c}).toArray(Object[][]::new);
    }

    @Test(dataProvider = "cases")
    public void probabilitiesAreThoseOfTransformers(Case c) {
        Sampler.Candidates found = c.sampler(1).candidates(c.logits().clone());
        double[] probabilities = new double[c.logits().length];
        for (int i = 0; i < found.ids().length; ++i) {
            probabilities[found.ids()[i]] = found.probabilities()[i];
        }
        for (int id = 0; id < probabilities.length; ++id) {
            double expected = c.probabilities()[id];
            Assert.assertEquals(probabilities[id] == 0, expected == 0, c + ", token " + id);
            Assert.assertEquals(probabilities[id], expected, 1e-5 * expected, c + ", token " + id);
        }
    }

    /** Pearson's test: 20,000 draws follow the probabilities. */
    @Test(dataProvider = "cases")
    public void drawsFollowTheProbabilities(Case c) {
        int draws = 20_000;
        int[] counts = new int[c.logits().length];
        for (int n = 0; n < draws; ++n) {
            ++counts[c.sampler(n).next(c.logits().clone())];
        }
        double chiSquare = 0;
        int cells = 0;
        double restExpected = 0;
        double restFound = 0;
        for (int id = 0; id < counts.length; ++id) {
            double expected = draws * c.probabilities()[id];
            if (expected == 0) {
                Assert.assertEquals(counts[id], 0, c + ": token " + id + " is not allowed");
            } else if (expected < 5) {
                restExpected += expected;
                restFound += counts[id];
            } else {
                chiSquare += (counts[id] - expected) * (counts[id] - expected) / expected;
                ++cells;
            }
        }
        if (restExpected >= 5) {
            chiSquare += (restFound - restExpected) * (restFound - restExpected) / restExpected;
            ++cells;
        }
        // Mean and deviation of the distribution are cells - 1 and its double's root.
        double freedom = Math.max(1, cells - 1);
        double bound = freedom + 5 * Math.sqrt(2 * freedom);
        Assert.assertTrue(chiSquare < bound, c + ": " + chiSquare + " of " + bound);
    }

    @Test
    public void greedyTakesTheFirstOfTheLargest() {
        float[] logits = {1, 5, -2, 5, 0};
        GenerationOptions none = new GenerationOptions();
        Assert.assertEquals(sampler(none).next(logits.clone()), 1);
        Assert.assertEquals(sampler(none.optTemperature(0)).next(logits.clone()), 1);
        // Penalties hold without sampling too, for the answer and for the prompt.
        Sampler penalized = sampler(new GenerationOptions().optPresencePenalty(1));
        Assert.assertEquals(penalized.next(logits.clone()), 1);
        Assert.assertEquals(penalized.next(logits.clone()), 3);
        Sampler repelled = sampler(new GenerationOptions().optRepetitionPenalty(2), 1);
        Assert.assertEquals(repelled.next(logits.clone()), 3);
        Assert.assertEquals(repelled.next(logits.clone()), 1, "both are halved, the first wins");
        Sampler counted = sampler(new GenerationOptions().optFrequencyPenalty(1.5));
        int[] chosen = new int[6];
        for (int n = 0; n < chosen.length; ++n) {
            chosen[n] = counted.next(logits.clone());
        }
        Assert.assertEquals(chosen, new int[] {1, 3, 1, 3, 1, 3});
    }

    @Test
    public void seedDecides() {
        Random random = new Random(3);
        float[] logits = new float[500];
        for (int id = 0; id < logits.length; ++id) {
            logits[id] = (float) random.nextGaussian();
        }
        Assert.assertEquals(draws(logits, 11), draws(logits, 11));
        Assert.assertNotEquals(draws(logits, 11), draws(logits, 12));
        GenerationOptions unseeded = new GenerationOptions().optDoSample(true).optTopK(0);
        Assert.assertNotEquals(draws(logits, unseeded), draws(logits, unseeded));
    }

    @Test
    public void logitsThatAreNoNumbersAreRefused() {
        for (boolean samples : new boolean[] {false, true}) {
            GenerationOptions options = new GenerationOptions().optDoSample(samples);
            float[] nan = {0, Float.NaN, 1};
            IllegalStateException e =
                    Assert.expectThrows(
                            IllegalStateException.class, () -> sampler(options).next(nan));
            Assert.assertTrue(e.getMessage().contains("token 1 has NaN"), e.getMessage());
            float[] none = {Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY};
            Assert.expectThrows(IllegalStateException.class, () -> sampler(options).next(none));
        }
    }

    private static int[] draws(float[] logits, long seed) {
        return draws(logits, new GenerationOptions().optDoSample(true).optTopK(0).optSeed(seed));
    }

    private static int[] draws(float[] logits, GenerationOptions options) {
        Sampler sampler = sampler(options);
        int[] ids = new int[20];
        for (int n = 0; n < ids.length; ++n) {
            ids[n] = sampler.next(logits.clone());
        }
        return ids;
    }

    private static Sampler sampler(GenerationOptions options, long... prompt) {
        return new Sampler(options.sampling(new GenerationOptions()), prompt);
    }
}

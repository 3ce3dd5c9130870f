package io.pbsattn.examples.verify.fuzz;

import static io.pbsattn.examples.Run.run;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.examples.Run;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What the fuzz sees, and that each of its targets runs. */
public class FuzzTest {

    private static final int RUNS = 120;

    @DataProvider
    public static Object[][] targets() {
        List<Object[]> targets = new ArrayList<>();
        for (FuzzTarget target : FuzzTarget.values()) {
            targets.add(new Object[] {target.toString()});
        }
        return targets.toArray(new Object[0][]);
    }

    /** Some inputs are still good and most are not, so that both ways are tried. */
    @Test(dataProvider = "targets")
    public void targetsRun(String target) {
        Run run =
                run(
                        "verify",
                        "fuzz",
                        "--target",
                        target,
                        "--runs",
                        "" + RUNS,
                        "--seed",
                        "7",
                        "--json");
        JsonObject json = run.json();
        Assert.assertEquals(json.get("target").getAsString(), target);
        Assert.assertEquals(json.get("runs").getAsInt(), RUNS);
        int accepted = json.get("accepted").getAsInt();
        int rejected = json.get("rejected").getAsInt();
        Assert.assertTrue(accepted > 0 && accepted < RUNS, run.out());
        Assert.assertTrue(rejected > 0, run.out());
        boolean isFine =
                json.get("crashes").getAsInt() == 0
                        && json.get("hangs").getAsInt() == 0
                        && json.getAsJsonArray("unnamed").isEmpty();
        Assert.assertEquals(run.status(), isFine ? 0 : 1, run.out());
        Assert.assertTrue(!isFine || accepted + rejected == RUNS, run.out());
    }

    /**
     * Every fault is counted and shown with its seed, and those after it are tried all the same.
     */
    @Test
    public void faultsAreSeen() throws IOException {
        FuzzReport.Summary summary =
                Fuzz.run("faulty", FaultyFuzzer.class, FaultyFuzzer.WAYS.size(), 0).summary();
        Assert.assertEquals(summary.accepted(), 1);
        Assert.assertEquals(summary.rejected(), 2);
        Assert.assertEquals(summary.hangs(), 1);
        Assert.assertEquals(summary.crashes(), 3);
        Assert.assertFalse(summary.passed());
        assertFault(summary.unnamed(), "seed 2: java.lang.IllegalStateException", "is wrong");
        Assert.assertEquals(summary.unnamed().size(), 1);
        assertFault(summary.crashed(), "seed 3: ", "exit status 3");
        assertFault(summary.crashed(), "seed 5: java.lang.OutOfMemoryError", "");
        assertFault(summary.crashed(), "seed 6: java.lang.StackOverflowError", "");
        assertFault(summary.hung(), "seed 4: ", "no answer");
    }

    private static void assertFault(List<String> faults, String begin, String words) {
        Assert.assertTrue(
                faults.stream().anyMatch(f -> f.startsWith(begin) && f.contains(words)),
                faults.toString());
    }

    /** A seed that was shown makes the same input again. */
    @Test
    public void theSameSeedMakesTheSameInput() throws IOException {
        List<JsonElement> configs = Seeds.examples("configs.json");
        List<String> templates = Seeds.templates();
        for (long seed = 0; seed < 200; ++seed) {
            Assert.assertEquals(
                    new JsonMutator(new SplittableRandom(seed), configs).mutate(configs.get(0)),
                    new JsonMutator(new SplittableRandom(seed), configs).mutate(configs.get(0)));
            Assert.assertEquals(
                    new TemplateMutator(new SplittableRandom(seed), templates).mutate(),
                    new TemplateMutator(new SplittableRandom(seed), templates).mutate());
        }
    }

    @Test
    public void unknownTargetIsWrongUsage() {
        Run run = run("verify", "fuzz", "--target", "configs");
        Assert.assertEquals(run.status(), 2);
        Assert.assertTrue(
                run.err().contains("config, tokenizer, template, safetensors, found 'configs'"),
                run.err());
    }
}

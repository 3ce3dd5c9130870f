package io.pbsattn.examples;

import static io.pbsattn.examples.Run.run;

import java.util.List;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Options mean the same everywhere; wrong ones are told in two lines, before any work is done. */
public class OptionTest {

    private static final List<String> MODEL_COMMANDS =
            List.of(
                    "ask --model absent --document absent --question x",
                    "chat --model absent",
                    "demo",
                    "bench prefill --model absent",
                    "torchscript --model absent.pt");

    private static String[] words(String line) {
        return line.split(" ");
    }

    /** Two lines on standard error: what is wrong, and where the help is. */
    private static void assertWrong(Run run, String reason, String help) {
        Assert.assertEquals(run.status(), 2, run.err());
        Assert.assertEquals(run.out(), "");
        List<String> lines = run.err().lines().toList();
        Assert.assertEquals(lines.size(), 2, run.err());
        Assert.assertTrue(lines.get(0).startsWith("pbs: "), run.err());
        Assert.assertTrue(lines.get(0).contains(reason), run.err());
        Assert.assertEquals(lines.get(1), "see ./pbs " + help);
    }

    private static String help(String command) {
        String[] words = words(command);
        return command.startsWith("bench")
                ? words[0] + " " + words[1] + " --help"
                : "help " + words[0];
    }

    @DataProvider
    public static Object[][] wrongValues() {
        String[][] options = {
            {"--threshold 1.5", "0 to 1 or 'all', found '1.5'"},
            {"--threshold NaN", "0 to 1 or 'all', found 'NaN'"},
            {"--threshold none", "0 to 1 or 'all', found 'none'"},
            {"--block-size 0", "from 1 on, found '0'"},
            {"--segment-size -256", "from 1 on, found '-256'"},
            {"--segment-size 300", "a multiple of --block-size 128, found 300"},
            {"--block-size 512", "a multiple of --block-size 512, found 256"},
            {"--min-length -1", "from 0 on, found '-1'"},
            {"--layers 3-1", "expected layers like 0,1,30-31, found '3-1'"},
            {"--layers x", "expected layers like 0,1,30-31, found 'x'"},
            {"--backend gpu", "cuda, cpu, reference, found 'gpu'"},
            {"--attention loose", "expected pbs or dense, found 'loose'"},
        };
        return MODEL_COMMANDS.stream()
                .flatMap(
                        command ->
                                Stream.of(options)
                                        .map(each -> new Object[] {command, each[0], each[1]}))
                .toArray(Object[][]::new);
    }

    @Test(dataProvider = "wrongValues")
    public void valuesOutOfRangeNameOptionAndRange(String command, String option, String reason) {
        Run run = run(words(command + " " + option));
        assertWrong(run, reason, help(command));
        boolean namesOption =
                run.err().contains(words(option)[0]) || run.err().contains("--segment-size");
        Assert.assertTrue(namesOption, run.err());
    }

    /** The options exist on each of the commands: what is refused is the model. */
    @Test
    public void commandsTakeTheSameOptions() {
        String options =
                " --threshold 0.8 --block-size 64 --segment-size 128 --min-length 0 --layers 0,1-2"
                        + " --backend cpu --attention pbs";
        for (String command : MODEL_COMMANDS) {
            if (!command.equals("demo")) {
                Run run = run(words(command + options));
                Assert.assertEquals(run.status(), 1, run.err());
                Assert.assertTrue(run.err().contains("absent"), run.err());
            }
        }
        Assert.assertEquals(run(words("demo --help")).status(), 0);
        for (String option : List.of("--threshold", "--layers", "--backend", "--dtype")) {
            String help = run(words("demo --help")).out();
            Assert.assertTrue(help.contains(option), help);
        }
    }

    @Test
    public void layersThatTheModelHasNotAreWrongUsage() {
        String reason = "--layers: expected layers from 0 to 3, found 4";
        assertWrong(run(words("demo --layers 2-4")), reason, "help demo");
        assertWrong(
                run(words("bench prefill --model demo --layers 4")),
                reason,
                "bench prefill --help");
    }

    @Test
    public void dtypeThatNoModelComputesInIsWrongUsage() {
        for (String command : MODEL_COMMANDS.subList(0, 4)) {
            assertWrong(
                    run(words(command + " --dtype float16")),
                    "expected float32 or bfloat16, found 'float16'",
                    help(command));
        }
    }

    @DataProvider
    public static Object[][] slips() {
        return new Object[][] {
            {"ask --modl x", "option '--modl'; did you mean '--model'?", "help ask"},
            {"chat --model demo --treshold=.5", "did you mean '--threshold'?", "help chat"},
            {"demo --blocksize 3", "did you mean '--block-size'?", "help demo"},
            {"verify operator x --backnd cpu", "mean '--backend'?", "verify operator --help"},
            {"bench prefil", "command 'prefil'; did you mean 'prefill'?", "help bench"},
            {"chta", "unknown command 'chta'; did you mean 'chat'?", "help"},
            {"doctor now", "unexpected argument 'now'", "help doctor"},
            {"verify", "missing what to verify", "help verify"},
            {"", "missing a command", "help"},
            {"ask --model demo", "--document", "help ask"},
        };
    }

    @Test(dataProvider = "slips")
    public void slipsAreToldWithTheNearestName(String line, String reason, String help) {
        String[] arguments = line.isEmpty() ? new String[0] : words(line);
        assertWrong(run(arguments), reason, help);
    }

    @Test
    public void completionIsListedAndKnowsTheOptions() {
        String usage = run("--help").out();
        Assert.assertTrue(usage.contains("generate-completion"), usage);
        Run run = run("generate-completion");
        Assert.assertEquals(run.status(), 0, run.err());
        for (String word : List.of("_complete_pbs", "--threshold", "make-model", "fuzz")) {
            Assert.assertTrue(run.out().contains(word), word);
        }
    }
}

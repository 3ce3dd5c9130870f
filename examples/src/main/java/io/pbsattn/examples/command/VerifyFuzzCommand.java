package io.pbsattn.examples.command;

import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.PositiveNumber;
import io.pbsattn.examples.verify.fuzz.Fuzz;
import io.pbsattn.examples.verify.fuzz.FuzzReport;
import io.pbsattn.examples.verify.fuzz.FuzzTarget;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Tries mutated input in child processes. */
@Command(
        name = "fuzz",
        description = {
            "Read mutated files in child processes, and see whether each is read or refused with an"
                    + " error that names it.",
            "A crash, ten seconds without an answer, no memory (of 512 MB) or stack left, and an"
                    + " error that names no file are faults. Each fault is shown with a seed:"
                    + " --seed SEED --runs 1 tries that input again."
        },
        mixinStandardHelpOptions = true)
final class VerifyFuzzCommand implements Callable<Integer> {

    @Option(
            names = "--target",
            defaultValue = "config",
            description = "config (default), tokenizer, template or safetensors.")
    private FuzzTarget target;

    @Option(
            names = "--runs",
            converter = PositiveNumber.class,
            defaultValue = "10000",
            description = "Inputs to try (default 10000).")
    private int runs;

    @Option(
            names = "--seed",
            defaultValue = "1",
            description = "Makes the first input; the next number makes the next (default 1).")
    private long seed;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        FuzzReport.Summary summary = Fuzz.run(target, runs, seed).summary();
        StringBuilder text = new StringBuilder();
        summary.crashed().forEach(fault -> text.append(String.format("crash    %s%n", fault)));
        summary.hung().forEach(fault -> text.append(String.format("hang     %s%n", fault)));
        summary.unnamed().forEach(fault -> text.append(String.format("unnamed  %s%n", fault)));
        text.append(
                String.format(
                        "%s: %d runs, %d rejected, %d accepted, %d crashes, %d hangs, %d kinds of"
                                + " errors without a file",
                        summary.target(),
                        summary.runs(),
                        summary.rejected(),
                        summary.accepted(),
                        summary.crashes(),
                        summary.hangs(),
                        summary.unnamed().size()));
        json.print(summary, text.toString());
        return summary.passed() ? 0 : 1;
    }
}

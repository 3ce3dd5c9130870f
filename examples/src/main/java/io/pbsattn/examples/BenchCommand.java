package io.pbsattn.examples;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Measures speed. */
@Command(
        name = "bench",
        description = "Measure speed.",
        mixinStandardHelpOptions = true,
        subcommands = BenchOperatorCommand.class)
final class BenchCommand implements Runnable {

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(), "Missing what to measure: operator");
    }
}

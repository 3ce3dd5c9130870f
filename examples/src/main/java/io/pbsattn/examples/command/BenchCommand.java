package io.pbsattn.examples.command;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Measures speed and draws the results. */
@Command(
        name = "bench",
        description = "Measure speed and draw the results.",
        mixinStandardHelpOptions = true,
        subcommands = {
            BenchOperatorCommand.class,
            BenchPrefillCommand.class,
            BenchDecodeCommand.class,
            BenchMakeModelCommand.class,
            BenchPlotCommand.class,
            BenchJmhCommand.class
        })
public final class BenchCommand implements Runnable {

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(),
                "missing what to do: operator, prefill, decode, make-model, plot or jmh");
    }
}

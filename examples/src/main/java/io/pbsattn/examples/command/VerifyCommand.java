package io.pbsattn.examples.command;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Compares the project with reference data. */
@Command(
        name = "verify",
        description = "Compare operator, models and templates with reference data; try bad input.",
        mixinStandardHelpOptions = true,
        subcommands = {
            VerifyOperatorCommand.class,
            VerifyCheckpointsCommand.class,
            VerifyCasesCommand.class,
            VerifyFuzzCommand.class
        })
public final class VerifyCommand implements Runnable {

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(), "missing what to verify: operator, checkpoints, cases or fuzz");
    }
}

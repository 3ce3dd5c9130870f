package io.pbsattn.examples.command;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Compares the project with reference data. */
@Command(
        name = "verify",
        description = "Compare the operator or models with reference data.",
        mixinStandardHelpOptions = true,
        subcommands = {VerifyOperatorCommand.class, VerifyCheckpointsCommand.class})
public final class VerifyCommand implements Runnable {

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public void run() {
        throw new CommandLine.ParameterException(
                spec.commandLine(), "Missing what to verify: operator or checkpoints");
    }
}

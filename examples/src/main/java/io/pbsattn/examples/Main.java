package io.pbsattn.examples;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * The command line behind {@code ./pbs}. Exit status: 0 fine, 1 the work failed or a check did not
 * hold, 2 wrong usage.
 */
@Command(
        name = "pbs",
        description = "Permuted Block-Sparse Attention for Deep Java Library.",
        mixinStandardHelpOptions = true,
        version = "pbs " + Versions.PROJECT,
        subcommands = {
            DemoCommand.class,
            AskCommand.class,
            VerifyCommand.class,
            BenchCommand.class,
            DoctorCommand.class
        })
public final class Main implements Runnable {

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Option(
            names = "--verbose",
            description = "Print the stack trace of a failure.",
            scope = CommandLine.ScopeType.INHERIT)
    private boolean verbose;

    /**
     * Runs the command line and ends the process.
     *
     * @param args the arguments
     */
    public static void main(String[] args) {
        System.exit(run(args));
    }

    /**
     * Runs the command line.
     *
     * @param args the arguments
     * @return the exit status
     */
    static int run(String... args) {
        Main main = new Main();
        return new CommandLine(main)
                .setExecutionExceptionHandler(
                        (e, command, parsed) -> {
                            System.err.println("pbs: " + reason(e));
                            if (main.verbose) {
                                e.printStackTrace();
                            }
                            return 1;
                        })
                .execute(args);
    }

    /** {@inheritDoc} */
    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "Missing a command");
    }

    private static String reason(Throwable e) {
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }
}

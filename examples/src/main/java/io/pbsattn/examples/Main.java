package io.pbsattn.examples;

import io.pbsattn.examples.command.AskCommand;
import io.pbsattn.examples.command.BenchCommand;
import io.pbsattn.examples.command.ChatCommand;
import io.pbsattn.examples.command.DemoCommand;
import io.pbsattn.examples.command.DoctorCommand;
import io.pbsattn.examples.command.ModelsCommand;
import io.pbsattn.examples.command.TorchScriptCommand;
import io.pbsattn.examples.command.VerifyCommand;
import io.pbsattn.examples.command.Versions;
import io.pbsattn.examples.verify.fuzz.FuzzTarget;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.LayerRanges;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;
import picocli.AutoComplete;
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
            ChatCommand.class,
            ModelsCommand.class,
            VerifyCommand.class,
            BenchCommand.class,
            TorchScriptCommand.class,
            DoctorCommand.class,
            AutoComplete.GenerateCompletion.class,
            CommandLine.HelpCommand.class
        },
        footer = "./pbs test, which the script itself does, runs all tests.")
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
    public static int run(String... args) {
        Main main = new Main();
        PrintStream out = System.out;
        PrintStream err = System.err;
        CommandLine commandLine =
                new CommandLine(main)
                        .registerConverter(AttentionKind.class, usage(AttentionKind::parse))
                        .registerConverter(TorchType.class, usage(TorchType::parse))
                        .registerConverter(FuzzTarget.class, usage(FuzzTarget::parse))
                        .registerConverter(
                                LayerRanges.class,
                                usage(text -> LayerRanges.parse("--layers", text)))
                        .setParameterExceptionHandler(new WrongUsage())
                        .setOut(new PrintWriter(out, true, StandardCharsets.UTF_8))
                        .setErr(new PrintWriter(err, true, StandardCharsets.UTF_8))
                        .setExecutionExceptionHandler((e, command, parsed) -> main.fail(e));
        // Standard output belongs to results: what a library prints there goes to standard error.
        System.setOut(err);
        try {
            return commandLine.execute(args);
        } catch (LinkageError | OutOfMemoryError e) {
            // A native library that does not load, or a document that does not fit.
            return main.fail(e);
        } finally {
            System.setOut(out);
        }
    }

    /** Makes a value that cannot be parsed wrong usage, with the parser's own words. */
    private static <T> CommandLine.ITypeConverter<T> usage(Function<String, T> parser) {
        return value -> {
            try {
                return parser.apply(value);
            } catch (IllegalArgumentException e) {
                throw new CommandLine.TypeConversionException(e.getMessage());
            }
        };
    }

    private int fail(Throwable e) {
        System.err.println("pbs: " + FailureReason.of(e));
        if (verbose) {
            e.printStackTrace();
        }
        return 1;
    }

    /** {@inheritDoc} */
    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "missing a command");
    }
}

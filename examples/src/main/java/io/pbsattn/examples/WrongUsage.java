package io.pbsattn.examples;

import io.pbsattn.util.NearestName;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Says what is wrong with the arguments, and where the help is; the help itself would hide it. */
final class WrongUsage implements CommandLine.IParameterExceptionHandler {

    private static final int STATUS = 2;

    private static final Pattern OPTION = Pattern.compile("(-[^=]*)(=.*)?", Pattern.DOTALL);

    /** {@inheritDoc} */
    @Override
    public int handleParseException(ParameterException e, String[] arguments) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        // An option that nobody knows is the likeliest reason why others are missing.
        String message = unmatched(command).orElseGet(() -> firstLine(e.getMessage()));
        err.println("pbs: " + message);
        err.println("see ./pbs " + help(command.getCommandSpec()));
        return STATUS;
    }

    private static Optional<String> unmatched(CommandLine command) {
        List<String> unmatched = command.getUnmatchedArguments();
        if (unmatched.isEmpty()) {
            return Optional.empty();
        }
        for (String argument : unmatched) {
            Matcher option = OPTION.matcher(argument);
            if (option.matches()) {
                return Optional.of(unknown("option", option.group(1), options(command)));
            }
        }
        String first = unmatched.get(0);
        List<String> subcommands = List.copyOf(command.getSubcommands().keySet());
        return Optional.of(
                subcommands.isEmpty()
                        ? "unexpected argument '" + first + "'"
                        : unknown("command", first, subcommands));
    }

    private static String unknown(String what, String name, List<String> known) {
        return NearestName.unknown(what, name, known).getMessage();
    }

    private static List<String> options(CommandLine command) {
        List<String> names = new ArrayList<>();
        command.getCommandSpec().options().forEach(option -> names.addAll(List.of(option.names())));
        names.removeIf(name -> !name.startsWith("--"));
        return names;
    }

    /** The arguments of ./pbs that print a command's help. */
    private static String help(CommandSpec spec) {
        if (spec.parent() == null) {
            return "help";
        }
        return spec.parent().parent() == null
                ? "help " + spec.name()
                : spec.qualifiedName(" ").substring(spec.root().name().length() + 1) + " --help";
    }

    private static String firstLine(String text) {
        return text.lines().findFirst().orElse(text);
    }
}

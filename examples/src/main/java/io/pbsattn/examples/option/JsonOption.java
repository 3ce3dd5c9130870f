package io.pbsattn.examples.option;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.TypeAdapter;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonWriter;
import java.io.IOException;
import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** The option {@code --json}: standard output then holds one JSON object and nothing else. */
public final class JsonOption {

    private static final Gson GSON =
            new GsonBuilder()
                    .registerTypeAdapter(double.class, new FiniteOrNull())
                    .registerTypeAdapter(Double.class, new FiniteOrNull())
                    .disableHtmlEscaping()
                    .create();

    @CommandLine.Spec(CommandLine.Spec.Target.MIXEE)
    private CommandLine.Model.CommandSpec command;

    @Option(
            names = "--json",
            description = "Print one JSON object to standard output, all else to standard error.")
    private boolean json;

    /** Whether the result is to be JSON. */
    public boolean isAsked() {
        return json;
    }

    /** Prints a result as JSON where that was asked for, else as text. */
    public void print(Object result, String text) {
        command.commandLine().getOut().println(json ? GSON.toJson(result) : text);
    }

    /** Prints a line of progress: to standard error where standard output is for JSON. */
    public void note(String line) {
        CommandLine commandLine = command.commandLine();
        PrintWriter writer = json ? commandLine.getErr() : commandLine.getOut();
        writer.println(line);
    }

    /** JSON has no NaN and no infinity: what has no value is null. */
    private static final class FiniteOrNull extends TypeAdapter<Double> {

        /** {@inheritDoc} */
        @Override
        public void write(JsonWriter out, Double value) throws IOException {
            if (value != null && Double.isFinite(value)) {
                out.value(value);
                return;
            }
            boolean before = out.getSerializeNulls();
            out.setSerializeNulls(true); // else the key would go too
            out.nullValue();
            out.setSerializeNulls(before);
        }

        /** {@inheritDoc} */
        @Override
        public Double read(JsonReader in) throws IOException {
            return in.nextDouble();
        }
    }
}

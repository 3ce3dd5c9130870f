package io.pbsattn.examples;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import picocli.CommandLine.Option;

/** The option {@code --json}: standard output then holds one JSON object and nothing else. */
final class JsonOption {

    private static final Gson GSON =
            new GsonBuilder().serializeSpecialFloatingPointValues().disableHtmlEscaping().create();

    @Option(
            names = "--json",
            description = "Print one JSON object to standard output, all else to standard error.")
    private boolean json;

    /** Prints a result as JSON where that was asked for, else as text. */
    void print(Object result, String text) {
        System.out.println(json ? GSON.toJson(result) : text);
    }

    /** Prints a line of progress: to standard error where standard output is for JSON. */
    void note(String line) {
        (json ? System.err : System.out).println(line);
    }
}

package io.pbsattn.examples.verify;

import ai.djl.ModelException;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.text.ChatTemplate;
import io.pbsattn.zoo.text.PromptEncoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Renders and encodes a {@link TextCase} and compares what comes out with the right values. */
public final class TextCheck {

    private static final String TEXT = "text";
    private static final String IDS = "ids";
    private static final String RAW_IDS = "raw_ids";
    private static final String ERROR = "error";
    private static final List<String> KEYS = List.of(TEXT, IDS, RAW_IDS, ERROR);

    /** How deep below a folder cases are looked for. */
    private static final int MAX_DEPTH = 4;

    /** Characters of text around the first that differs. */
    private static final int CONTEXT = 40;

    /**
     * What came out of a case.
     *
     * @param name its folder, below the one that was searched
     * @param passed whether all right values came out
     * @param reason what differs, or null
     */
    public record Result(String name, boolean passed, String reason) {}

    private TextCheck() {}

    /**
     * Finds the folders that hold {@code case.json}.
     *
     * @param folder one of them, or a folder above
     * @return the folders in the order of their names
     * @throws IOException if there is none, or a folder cannot be read
     */
    public static List<Path> folders(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new IOException(folder + ": no such folder");
        }
        try (Stream<Path> paths = Files.walk(folder, MAX_DEPTH)) {
            List<Path> found = paths.filter(TextCase::isIn).sorted().toList();
            if (found.isEmpty()) {
                throw new IOException(folder + ": no folder in it holds case.json");
            }
            return found;
        }
    }

    /**
     * Runs the case of a folder.
     *
     * @return empty if nobody says what is right
     * @throws IOException if the case itself, or its right values, cannot be read; names the file
     */
    public static Optional<Result> run(String name, Path folder) throws IOException {
        TextCase textCase = TextCase.read(folder);
        JsonObject right = textCase.right();
        if (right == null || KEYS.stream().noneMatch(right::has)) {
            return Optional.empty();
        }
        String reason;
        try {
            JsonObject found = values(textCase);
            reason =
                    right.has(ERROR)
                            ? "expected an error like '" + right.get(ERROR) + "', found none"
                            : difference(found, right);
        } catch (IOException | ModelException | IllegalArgumentException e) {
            reason = right.has(ERROR) ? null : "refused: " + firstLine(e);
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
            reason = "failed: " + e;
        }
        return Optional.of(new Result(name, reason == null, reason));
    }

    private static JsonObject values(TextCase textCase) throws IOException, ModelException {
        JsonObject values = new JsonObject();
        try (CaseFolder folder = CaseFolder.open(textCase.folder());
                PromptEncoder encoder = PromptEncoder.open(folder.path())) {
            if (!textCase.messages().isEmpty()) {
                Optional<ChatTemplate> template = ChatTemplate.read(folder.path());
                if (template.isPresent()) {
                    values.addProperty(
                            TEXT, template.get().render(textCase.messages(), textCase.options()));
                    values.add(IDS, array(encoder.encode(textCase.messages(), textCase.options())));
                }
            }
            if (textCase.raw() != null) {
                values.add(RAW_IDS, array(encoder.encodeRaw(textCase.raw())));
            }
        }
        return values;
    }

    private static String firstLine(Exception e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }

    private static JsonArray array(long[] ids) {
        JsonArray array = new JsonArray();
        for (long id : ids) {
            array.add(id);
        }
        return array;
    }

    /** Says the first value that differs; null if none does. */
    private static String difference(JsonObject found, JsonObject right) {
        for (Map.Entry<String, JsonElement> entry : right.entrySet()) {
            JsonElement value = found.get(entry.getKey());
            if (KEYS.contains(entry.getKey()) && !entry.getValue().equals(value)) {
                String expected = text(entry.getValue());
                String actual = value == null ? "nothing" : text(value);
                int at = firstDifference(expected, actual);
                return String.format(
                        "%s: expected '%s', found '%s' at %d",
                        entry.getKey(), around(expected, at), around(actual, at), at);
            }
        }
        return null;
    }

    private static String text(JsonElement value) {
        return value.isJsonPrimitive() ? value.getAsString() : value.toString();
    }

    private static int firstDifference(String a, String b) {
        int at = 0;
        while (at < a.length() && at < b.length() && a.charAt(at) == b.charAt(at)) {
            ++at;
        }
        return at;
    }

    private static String around(String text, int at) {
        int begin = Math.max(0, at - CONTEXT);
        int end = Math.min(text.length(), at + CONTEXT);
        return (begin > 0 ? "…" : "")
                + text.substring(Math.min(begin, end), end)
                + (end < text.length() ? "…" : "");
    }
}

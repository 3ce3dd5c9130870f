package io.pbsattn.examples.verify;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.pbsattn.examples.model.TextFile;
import io.pbsattn.zoo.text.ChatMessage;
import io.pbsattn.zoo.text.ChatTemplateOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A case of templates and tokenizers: a folder with the files of a tokenizer and {@code case.json}.
 *
 * <p>{@code case.json} may hold {@code messages}, a list of objects with {@code role}, {@code
 * content} and others; {@code gen}, whether the template begins the answer (default true); {@code
 * tools}, a list of schemas; {@code vars}, further variables of the template; and {@code raw}, a
 * text that is encoded without a template.
 *
 * <p>The right values stand in {@code right.json} of the same folder, or under the folder's name in
 * {@code right.json} of its parent: {@code text} that the template renders, {@code ids} of that
 * text, {@code raw_ids} of {@code raw}; or {@code error}, where the folder has to be refused.
 *
 * @param folder the files of the tokenizer
 * @param messages what has been said; may be empty
 * @param options of the template
 * @param raw a text to encode without a template, or null
 */
record TextCase(Path folder, List<ChatMessage> messages, ChatTemplateOptions options, String raw) {

    private static final String CASE = "case.json";
    private static final String RIGHT = "right.json";

    /** Whether a folder holds a case. */
    static boolean isIn(Path folder) {
        return Files.isRegularFile(folder.resolve(CASE));
    }

    /**
     * Reads the case of a folder.
     *
     * @throws IOException if the file is not of its form; names it
     */
    static TextCase read(Path folder) throws IOException {
        Path file = folder.resolve(CASE);
        JsonObject json = object(file);
        try {
            List<ChatMessage> messages = new ArrayList<>();
            if (json.has("messages")) {
                json.getAsJsonArray("messages")
                        .forEach(message -> messages.add(message(message.getAsJsonObject())));
            }
            ChatTemplateOptions options = new ChatTemplateOptions();
            options.optGenerationPrompt(!json.has("gen") || json.get("gen").getAsBoolean());
            if (json.has("tools")) {
                List<Map<String, Object>> tools = new ArrayList<>();
                json.getAsJsonArray("tools")
                        .forEach(tool -> tools.add(plain(tool.getAsJsonObject())));
                options.optTools(tools);
            }
            if (json.has("vars")) {
                plain(json.getAsJsonObject("vars")).forEach(options::optVariable);
            }
            String raw = json.has("raw") ? json.get("raw").getAsString() : null;
            return new TextCase(folder, messages, options, raw);
        } catch (ClassCastException
                | IllegalStateException
                | IllegalArgumentException
                | UnsupportedOperationException e) {
            throw new IOException(file + ": not a case: " + e.getMessage(), e);
        }
    }

    /**
     * Reads the right values.
     *
     * @return null if there are none
     * @throws IOException if the file is not of its form; names it
     */
    JsonObject right() throws IOException {
        Path own = folder.resolve(RIGHT);
        if (Files.exists(own)) {
            return object(own);
        }
        Path parent = folder.toAbsolutePath().normalize().getParent().resolve(RIGHT);
        if (!Files.exists(parent)) {
            return null;
        }
        JsonElement right = object(parent).get(folder.getFileName().toString());
        if (right != null && !right.isJsonObject()) {
            throw new IOException(
                    parent + ": key '" + folder.getFileName() + "': expected an object");
        }
        return right == null ? null : right.getAsJsonObject();
    }

    private static JsonObject object(Path file) throws IOException {
        String text = TextFile.read(file);
        try {
            return JsonParser.parseString(text).getAsJsonObject();
        } catch (JsonParseException | IllegalStateException e) {
            throw new IOException(file + ": expected a JSON object: " + e.getMessage(), e);
        }
    }

    private static ChatMessage message(JsonObject json) {
        Map<String, Object> fields = plain(json);
        Object content = fields.remove("content");
        if (content != null && !(content instanceof String)) {
            throw new IllegalArgumentException("content: expected a string, found " + content);
        }
        ChatMessage message =
                new ChatMessage(String.valueOf(fields.remove("role")), (String) content);
        for (Map.Entry<String, Object> field : fields.entrySet()) {
            message = message.with(field.getKey(), field.getValue());
        }
        return message;
    }

    private static Map<String, Object> plain(JsonObject json) {
        Map<String, Object> map = new LinkedHashMap<>();
        json.entrySet().forEach(entry -> map.put(entry.getKey(), plain(entry.getValue())));
        return map;
    }

    /** A value as templates take it: whole numbers are longs, others doubles. */
    private static Object plain(JsonElement element) {
        if (element.isJsonObject()) {
            return plain(element.getAsJsonObject());
        }
        if (element.isJsonArray()) {
            List<Object> list = new ArrayList<>();
            element.getAsJsonArray().forEach(each -> list.add(plain(each)));
            return list;
        }
        if (element.isJsonNull()) {
            return null;
        }
        JsonPrimitive primitive = element.getAsJsonPrimitive();
        if (primitive.isBoolean()) {
            return primitive.getAsBoolean();
        }
        if (primitive.isString()) {
            return primitive.getAsString();
        }
        String number = primitive.getAsString();
        if (number.matches("-?\\d{1,18}")) {
            return Long.valueOf(number);
        }
        return Double.valueOf(number);
    }
}

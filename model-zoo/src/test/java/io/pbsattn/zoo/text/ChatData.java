package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The reference data of chats; {@code src/test/python/make_chat_data.py} makes it. */
public final class ChatData {

    public static final Path FOLDER = Path.of("src/test/resources/chat");

    /** What time it was when the data were made. */
    public static final Clock CLOCK =
            Clock.fixed(Instant.parse("2025-03-07T09:05:06Z"), ZoneOffset.UTC);

    private ChatData() {}

    public static JsonObject read(String file) throws IOException {
        return parse(file).getAsJsonObject();
    }

    public static JsonElement parse(String file) throws IOException {
        return JsonParser.parseString(Files.readString(FOLDER.resolve(file)));
    }

    public static String template(String name) throws IOException {
        return Files.readString(FOLDER.resolve("templates").resolve(name + ".jinja"));
    }

    @SuppressWarnings("unchecked")
    public static Map<String, Object> map(JsonElement json) {
        return (Map<String, Object>) java(json);
    }

    /** JSON as Java's maps, lists, strings, numbers, booleans and nulls. */
    public static Object java(JsonElement json) {
        if (json.isJsonNull()) {
            return null;
        } else if (json.isJsonObject()) {
            Map<String, Object> map = new LinkedHashMap<>();
            json.getAsJsonObject().asMap().forEach((key, value) -> map.put(key, java(value)));
            return map;
        } else if (json.isJsonArray()) {
            List<Object> list = new ArrayList<>();
            json.getAsJsonArray().forEach(item -> list.add(java(item)));
            return list;
        }
        JsonPrimitive primitive = json.getAsJsonPrimitive();
        if (primitive.isNumber()) {
            String text = primitive.getAsString();
            return text.matches("-?\\d+")
                    ? (Object) Long.valueOf(text)
                    : (Object) Double.valueOf(text);
        }
        return primitive.isBoolean() ? (Object) primitive.getAsBoolean() : primitive.getAsString();
    }

    public static List<ChatMessage> messages(JsonElement json) {
        List<ChatMessage> messages = new ArrayList<>();
        for (JsonElement element : json.getAsJsonArray()) {
            Map<String, Object> fields = map(element);
            String role = (String) fields.remove("role");
            messages.add(new ChatMessage(role, (String) fields.remove("content"), fields));
        }
        return messages;
    }
}

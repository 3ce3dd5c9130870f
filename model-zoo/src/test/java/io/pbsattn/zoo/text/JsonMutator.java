package io.pbsattn.zoo.text;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/** Spoils JSON: values, keys and structure, with words that mean something where it is read. */
public final class JsonMutator {

    private static final int MANY = 40;

    private final Random random;
    private final List<String> words;
    private final List<JsonElement> values = new ArrayList<>();

    /** Constructs a mutator that puts in keys and strings of its own now and then. */
    public JsonMutator(Random random, List<String> words) {
        this.random = random;
        this.words = words;
        for (String value :
                List.of(
                        "null",
                        "true",
                        "false",
                        "0",
                        "1",
                        "-1",
                        "2",
                        "3",
                        "7",
                        "1000",
                        "0.5",
                        "-0.0",
                        "1e308",
                        "-1e308",
                        "1e-320",
                        "1e999",
                        "2147483647",
                        "2147483648",
                        "4294967295",
                        "4294967296",
                        "9223372036854775808",
                        "1e19",
                        "\"\"",
                        "\" \"",
                        "\"a\"",
                        "\"##\"",
                        "\"\u9F98\"",
                        "\"e\\u0301\"",
                        "\"\\ud800\"",
                        "\"\\u0000\"",
                        "\"<0x41>\"",
                        "\"\u2581\"",
                        "[]",
                        "{}",
                        "[[]]",
                        "[null]",
                        "[\"a\", 0]",
                        "{\"String\": \" \"}",
                        "{\"Regex\": \"\\\\s+\"}",
                        "{\"String\": \"\"}",
                        "{\"Regex\": \"\"}",
                        "{\"Regex\": \"a*\"}",
                        "{\"Regex\": \"(\"}",
                        "{\"Regex\": \"(a+)+$\"}")) {
            values.add(JsonParser.parseString(value));
        }
        values.add(new JsonPrimitive("x".repeat(5000)));
        JsonElement deep = new JsonPrimitive(1);
        for (int i = 0; i < 200; ++i) {
            JsonArray around = new JsonArray();
            around.add(deep);
            deep = around;
        }
        values.add(deep);
    }

    /** A spoilt copy, as text. */
    public String mutate(JsonObject original) {
        JsonObject json = original.deepCopy();
        for (int n = random.nextInt(4); n >= 0; --n) {
            change(json);
        }
        String text = json.toString().replace("\uD800", "\\ud800");
        return random.nextInt(8) == 0 ? spoil(text) : text;
    }

    private void change(JsonElement root) {
        JsonElement node = root;
        // Rather few levels down: a random node would mostly be one of the vocabulary.
        while (true) {
            List<JsonElement> children = new ArrayList<>();
            for (JsonElement child : children(node)) {
                if (child.isJsonObject() || child.isJsonArray()) {
                    children.add(child);
                }
            }
            if (children.isEmpty() || random.nextInt(4) == 0) {
                break;
            }
            node = children.get(random.nextInt(children.size()));
        }
        if (node instanceof JsonObject object) {
            change(object, root);
        } else if (node instanceof JsonArray array) {
            change(array, root);
        }
    }

    private static List<JsonElement> children(JsonElement node) {
        if (node instanceof JsonObject object) {
            return List.copyOf(object.asMap().values());
        }
        return node instanceof JsonArray array ? array.asList() : List.of();
    }

    private void change(JsonObject object, JsonElement root) {
        List<String> keys = List.copyOf(object.keySet());
        String key = keys.isEmpty() ? word() : keys.get(random.nextInt(keys.size()));
        switch (random.nextInt(6)) {
            case 0 -> object.remove(key);
            case 1 -> object.add(word(), value(root));
            case 2 -> {
                JsonElement value = object.remove(key);
                object.add(word(), value == null ? JsonNull.INSTANCE : value);
            }
            case 3 -> object.add(key, value(root));
            default -> object.add(key, near(object.get(key), root));
        }
    }

    private void change(JsonArray array, JsonElement root) {
        int at = array.isEmpty() ? 0 : random.nextInt(array.size());
        switch (random.nextInt(5)) {
            case 0 -> array.add(value(root));
            case 1 -> {
                if (!array.isEmpty()) {
                    array.remove(at);
                }
            }
            case 2 -> {
                for (int n = random.nextInt(MANY); n > 0 && !array.isEmpty(); --n) {
                    array.add(array.get(at).deepCopy());
                }
            }
            default -> {
                if (!array.isEmpty()) {
                    array.set(at, near(array.get(at), root));
                }
            }
        }
    }

    /** Something like a value. */
    private JsonElement near(JsonElement value, JsonElement root) {
        if (value instanceof JsonPrimitive primitive && random.nextInt(3) > 0) {
            if (primitive.isBoolean()) {
                return new JsonPrimitive(!primitive.getAsBoolean());
            } else if (primitive.isNumber()) {
                return new JsonPrimitive(primitive.getAsDouble() + random.nextInt(5) - 2);
            }
            return new JsonPrimitive(near(primitive.getAsString()));
        }
        return value(root);
    }

    private String near(String text) {
        int at = text.isEmpty() ? 0 : random.nextInt(text.length());
        return switch (random.nextInt(5)) {
            case 0 -> text.substring(at);
            case 1 -> text.substring(0, at);
            case 2 -> text + text;
            case 3 -> text.substring(0, at) + word() + text.substring(at);
            default -> word();
        };
    }

    private JsonElement value(JsonElement root) {
        switch (random.nextInt(4)) {
            case 0 -> {
                return new JsonPrimitive(word());
            }
            case 1 -> {
                // Something from another place.
                JsonElement node = root;
                for (int n = random.nextInt(6); n > 0 && !children(node).isEmpty(); --n) {
                    List<JsonElement> children = children(node);
                    node = children.get(random.nextInt(children.size()));
                }
                return node.deepCopy();
            }
            default -> {
                return values.get(random.nextInt(values.size())).deepCopy();
            }
        }
    }

    private String word() {
        return words.get(random.nextInt(words.size()));
    }

    /** Cuts, repeats or changes characters. */
    private String spoil(String text) {
        int at = random.nextInt(text.length());
        int end = Math.min(text.length(), at + 1 + random.nextInt(20));
        return switch (random.nextInt(4)) {
            case 0 -> text.substring(0, at);
            case 1 -> text.substring(0, at) + text.substring(end);
            case 2 -> text.substring(0, end) + text.substring(at);
            default -> text.substring(0, at) + (char) random.nextInt(128) + text.substring(at + 1);
        };
    }

    /** Every key and every short string of some documents, for {@link #JsonMutator}. */
    public static List<String> words(List<JsonObject> documents) {
        TreeSet<String> words = new TreeSet<>();
        documents.forEach(document -> collect(document, words));
        return List.copyOf(words);
    }

    private static void collect(JsonElement node, Set<String> words) {
        if (node instanceof JsonObject object) {
            for (Map.Entry<String, JsonElement> entry : object.entrySet()) {
                if (object.size() < MANY) {
                    words.add(entry.getKey());
                }
                collect(entry.getValue(), words);
            }
        } else if (node instanceof JsonArray array) {
            for (JsonElement item : array) {
                if (array.size() < MANY) {
                    collect(item, words);
                }
            }
        } else if (AddedToken.isString(node) && node.getAsString().length() < MANY) {
            words.add(node.getAsString());
        }
    }
}

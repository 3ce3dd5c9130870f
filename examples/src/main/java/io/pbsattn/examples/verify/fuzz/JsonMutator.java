package io.pbsattn.examples.verify.fuzz;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.gson.internal.LazilyParsedNumber;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Damages JSON, so that most of what comes out is JSON still. */
final class JsonMutator {

    private static final Gson GSON =
            new GsonBuilder()
                    .serializeNulls()
                    .serializeSpecialFloatingPointValues()
                    .disableHtmlEscaping()
                    .create();

    private static final String[] NUMBERS = {
        "0",
        "1",
        "-1",
        "2",
        "3",
        "0.5",
        "-0.0",
        "1e-30",
        "1e30",
        "1e308",
        "1e999",
        "255",
        "65536",
        "2147483646",
        "2147483647",
        "2147483648",
        "-2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "123456789012345678901234567890",
        "NaN",
        "Infinity",
        "1.0",
        "7e2"
    };

    private static final String[] STRINGS = {
        "",
        " ",
        "a",
        "\0",
        "\u00e9",
        "\ud83d\ude00",
        "\ud83d",
        "\u200b",
        "ab\ncd",
        "null",
        "true",
        "0",
        "-1",
        "float32",
        "../x",
        "/",
        "<unk>",
        "[",
        "(",
        "\\",
        "\\p{L}+",
        "(?i:'s)|a*",
        "##",
        "\u2581",
        "{{ x }}",
        "linear",
        "llama",
        "$A",
        "ByteLevel",
        "Metaspace"
    };

    private static final int LONG_STRING = 100_000;
    private static final int MOST_LEVELS = 20_000;
    private static final int SHORT_TEXT = 1 << 16;

    private final SplittableRandom random;
    private final List<JsonElement> others;

    /**
     * Makes a mutator.
     *
     * @param others examples of the same form, from which values and keys are taken
     */
    JsonMutator(SplittableRandom random, List<JsonElement> others) {
        this.random = random;
        this.others = others;
    }

    /** Returns the text of a damaged copy. */
    byte[] mutate(JsonElement seed) {
        // Holds the root, so that it too has a container.
        JsonArray holder = new JsonArray();
        holder.add(seed.deepCopy());
        for (int n = random.nextInt(4); n >= 0; --n) {
            change(holder);
        }
        String text = holder.isEmpty() ? "" : GSON.toJson(holder.get(0));
        if (random.nextInt(400) == 0) {
            text = nest(text);
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return random.nextInt(8) == 0 ? new ByteMutator(random).mutate(bytes) : bytes;
    }

    /** Walks down from the root, deeper or not by chance, and changes what is there. */
    private void change(JsonElement container) {
        JsonElement at = container;
        while (true) {
            if (at.isJsonArray() && !at.getAsJsonArray().isEmpty()) {
                JsonArray array = at.getAsJsonArray();
                int index = random.nextInt(array.size());
                JsonElement child = array.get(index);
                if (!stops(child)) {
                    at = child;
                    continue;
                }
                changeElement(array, index);
            } else if (at.isJsonObject() && at.getAsJsonObject().size() > 0) {
                JsonObject object = at.getAsJsonObject();
                String key = Seeds.pick(random, new ArrayList<>(object.keySet()));
                JsonElement child = object.get(key);
                if (!stops(child)) {
                    at = child;
                    continue;
                }
                changeMember(object, key);
            }
            return;
        }
    }

    private boolean stops(JsonElement child) {
        boolean isEmpty =
                child.isJsonArray()
                        ? child.getAsJsonArray().isEmpty()
                        : !child.isJsonObject() || child.getAsJsonObject().size() == 0;
        return isEmpty || random.nextInt(6) == 0;
    }

    private void changeElement(JsonArray array, int index) {
        switch (random.nextInt(5)) {
            case 0 -> array.remove(index);
            case 1 -> array.add(array.get(index).deepCopy());
            default -> array.set(index, value(array.get(index)));
        }
    }

    private void changeMember(JsonObject object, String key) {
        switch (random.nextInt(7)) {
            case 0 -> object.remove(key);
            case 1 -> object.add(otherKey(), object.remove(key));
            case 2 -> object.add(otherKey(), value(object.get(key)));
            default -> object.add(key, value(object.get(key)));
        }
    }

    private String otherKey() {
        JsonElement at = Seeds.pick(random, others);
        String key = STRINGS[random.nextInt(STRINGS.length)];
        while (at.isJsonObject() && at.getAsJsonObject().size() > 0) {
            key = Seeds.pick(random, new ArrayList<>(at.getAsJsonObject().keySet()));
            at = at.getAsJsonObject().get(key);
            if (random.nextBoolean()) {
                break;
            }
        }
        return key;
    }

    /** A value in place of another. */
    private JsonElement value(JsonElement old) {
        return switch (random.nextInt(12)) {
            case 0 -> JsonNull.INSTANCE;
            case 1 -> new JsonPrimitive(random.nextBoolean());
            case 2, 3, 4 -> number();
            case 5, 6 -> new JsonPrimitive(string());
            case 7 -> new JsonArray();
            case 8 -> new JsonObject();
            case 9 -> wrapped(old);
            case 10 -> near(old);
            default -> splice();
        };
    }

    private JsonElement number() {
        return new JsonPrimitive(new LazilyParsedNumber(NUMBERS[random.nextInt(NUMBERS.length)]));
    }

    private String string() {
        String string = STRINGS[random.nextInt(STRINGS.length)];
        return random.nextInt(100) == 0 ? string.repeat(LONG_STRING / 10) : string;
    }

    private static JsonElement wrapped(JsonElement old) {
        JsonArray array = new JsonArray();
        array.add(old.deepCopy());
        return array;
    }

    /** A number or a string that is only a little wrong. */
    private JsonElement near(JsonElement old) {
        if (!old.isJsonPrimitive()) {
            return number();
        }
        JsonPrimitive primitive = old.getAsJsonPrimitive();
        if (primitive.isNumber()) {
            double value = primitive.getAsDouble();
            return new JsonPrimitive(
                    switch (random.nextInt(4)) {
                        case 0 -> value + 1;
                        case 1 -> value - 1;
                        case 2 -> value * 2;
                        default -> -value;
                    });
        }
        String text = primitive.getAsString();
        int cut = text.isEmpty() ? 0 : random.nextInt(text.length());
        return new JsonPrimitive(random.nextBoolean() ? text.substring(cut) : text + string());
    }

    /** A part of another example. */
    private JsonElement splice() {
        JsonElement at = Seeds.pick(random, others);
        while (random.nextInt(3) > 0) {
            if (at.isJsonArray() && !at.getAsJsonArray().isEmpty()) {
                at = at.getAsJsonArray().get(random.nextInt(at.getAsJsonArray().size()));
            } else if (at.isJsonObject() && at.getAsJsonObject().size() > 0) {
                JsonObject object = at.getAsJsonObject();
                at = object.get(Seeds.pick(random, new ArrayList<>(object.keySet())));
            } else {
                break;
            }
        }
        return at.deepCopy();
    }

    /** Puts the text, or a piece of JSON in it, into thousands of brackets. */
    private String nest(String text) {
        int levels = 1 + random.nextInt(MOST_LEVELS);
        boolean areArrays = random.nextBoolean();
        String open = areArrays ? "[" : "{\"a\":";
        String close = areArrays ? "]" : "}";
        String core = text.length() > SHORT_TEXT ? "0" : text;
        String nested = open.repeat(levels) + core + close.repeat(levels);
        int colon = core.indexOf(':');
        return colon < 0 || random.nextBoolean()
                ? nested
                : core.substring(0, colon + 1)
                        + open.repeat(levels)
                        + "0"
                        + close.repeat(levels)
                        + "}";
    }
}

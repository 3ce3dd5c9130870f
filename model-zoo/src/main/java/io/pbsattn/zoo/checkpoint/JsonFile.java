package io.pbsattn.zoo.checkpoint;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A JSON object of a model's folder; its errors name the file and the key. */
public final class JsonFile {

    private final String name;
    private final JsonObject json;

    private JsonFile(String name, JsonObject json) {
        this.name = name;
        this.json = json;
    }

    public static JsonFile read(Path file) throws IOException, CheckpointException {
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(file + ": no such file");
        }
        try {
            JsonElement element = JsonParser.parseString(Files.readString(file));
            if (!element.isJsonObject()) {
                throw new CheckpointException(file + ": expected a JSON object");
            }
            return new JsonFile(file.toString(), element.getAsJsonObject());
        } catch (JsonParseException | java.nio.charset.MalformedInputException e) {
            throw new CheckpointException(file + ": not valid JSON: " + e.getMessage(), e);
        }
    }

    public boolean has(String key) {
        return json.has(key) && !json.get(key).isJsonNull();
    }

    /** Whether a key is there at all, be it null. */
    public boolean states(String key) {
        return json.has(key);
    }

    /** Whether any of the values is an object itself. */
    public boolean holdsObjects() {
        return json.asMap().values().stream().anyMatch(JsonElement::isJsonObject);
    }

    public JsonElement get(String key) throws CheckpointException {
        if (!has(key)) {
            throw new CheckpointException(name + ": key '" + key + "' is missing");
        }
        return json.get(key);
    }

    public JsonFile object(String key) throws CheckpointException {
        JsonElement element = get(key);
        if (!element.isJsonObject()) {
            throw wrong(key, "an object");
        }
        return new JsonFile(name + ": " + key, element.getAsJsonObject());
    }

    public String string(String key) throws CheckpointException {
        JsonElement element = get(key);
        if (!element.isJsonPrimitive()) {
            throw wrong(key, "a string");
        }
        return element.getAsString();
    }

    public int positive(String key) throws CheckpointException {
        double value = number(key);
        if (value < 1 || value > Integer.MAX_VALUE || value != Math.rint(value)) {
            throw wrong(key, "a positive integer");
        }
        return (int) value;
    }

    public int positive(String key, int missing) throws CheckpointException {
        return has(key) ? positive(key) : missing;
    }

    /** A number of things, which may be 0. */
    public int count(String key, int missing) throws CheckpointException {
        double value = number(key, missing);
        if (value < 0 || value > Integer.MAX_VALUE || value != Math.rint(value)) {
            throw wrong(key, "0 or a positive integer");
        }
        return (int) value;
    }

    public List<String> strings(String key) throws CheckpointException {
        List<String> strings = new ArrayList<>();
        for (JsonElement element : array(key, "a list of strings")) {
            if (!element.isJsonPrimitive()) {
                throw wrong(key, "a list of strings");
            }
            strings.add(element.getAsString());
        }
        return strings;
    }

    public List<Double> numbers(String key) throws CheckpointException {
        List<Double> numbers = new ArrayList<>();
        for (JsonElement element : array(key, "a list of numbers")) {
            boolean isNumber = element.isJsonPrimitive() && element.getAsJsonPrimitive().isNumber();
            if (!isNumber || !Double.isFinite(element.getAsDouble())) {
                throw wrong(key, "a list of numbers");
            }
            numbers.add(element.getAsDouble());
        }
        return numbers;
    }

    private JsonArray array(String key, String expected) throws CheckpointException {
        JsonElement element = get(key);
        if (!element.isJsonArray()) {
            throw wrong(key, expected);
        }
        return element.getAsJsonArray();
    }

    public double number(String key) throws CheckpointException {
        JsonElement element = get(key);
        try {
            double value = element.getAsDouble();
            if (Double.isFinite(value)) {
                return value;
            }
        } catch (RuntimeException e) {
            throw new CheckpointException(wrong(key, "a number").getMessage(), e);
        }
        throw wrong(key, "a number");
    }

    public double number(String key, double missing) throws CheckpointException {
        return has(key) ? number(key) : missing;
    }

    public boolean flag(String key) throws CheckpointException {
        return flag(key, false);
    }

    public boolean flag(String key, boolean missing) throws CheckpointException {
        if (!has(key)) {
            return missing;
        }
        JsonElement element = get(key);
        if (!element.isJsonPrimitive() || !element.getAsJsonPrimitive().isBoolean()) {
            throw wrong(key, "true or false");
        }
        return element.getAsBoolean();
    }

    public CheckpointException wrong(String key, String expected) {
        return new CheckpointException(
                name + ": key '" + key + "': expected " + expected + ", found " + json.get(key));
    }

    /** The JSON itself. */
    @Override
    public String toString() {
        return json.toString();
    }
}

package io.pbsattn.zoo;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A JSON object of a model's folder; its errors name the file and the key. */
final class JsonFile {

    private final String name;
    private final JsonObject json;

    private JsonFile(String name, JsonObject json) {
        this.name = name;
        this.json = json;
    }

    static JsonFile read(Path file) throws IOException, CheckpointException {
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

    boolean has(String key) {
        return json.has(key) && !json.get(key).isJsonNull();
    }

    JsonElement get(String key) throws CheckpointException {
        if (!has(key)) {
            throw new CheckpointException(name + ": key '" + key + "' is missing");
        }
        return json.get(key);
    }

    JsonFile object(String key) throws CheckpointException {
        JsonElement element = get(key);
        if (!element.isJsonObject()) {
            throw wrong(key, "an object");
        }
        return new JsonFile(name + ": " + key, element.getAsJsonObject());
    }

    String string(String key) throws CheckpointException {
        JsonElement element = get(key);
        if (!element.isJsonPrimitive()) {
            throw wrong(key, "a string");
        }
        return element.getAsString();
    }

    int positive(String key) throws CheckpointException {
        double value = number(key);
        if (value < 1 || value > Integer.MAX_VALUE || value != Math.rint(value)) {
            throw wrong(key, "a positive integer");
        }
        return (int) value;
    }

    int positive(String key, int missing) throws CheckpointException {
        return has(key) ? positive(key) : missing;
    }

    double number(String key) throws CheckpointException {
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

    double number(String key, double missing) throws CheckpointException {
        return has(key) ? number(key) : missing;
    }

    boolean flag(String key) throws CheckpointException {
        if (!has(key)) {
            return false;
        }
        JsonElement element = get(key);
        if (!element.isJsonPrimitive() || !element.getAsJsonPrimitive().isBoolean()) {
            throw wrong(key, "true or false");
        }
        return element.getAsBoolean();
    }

    CheckpointException wrong(String key, String expected) {
        return new CheckpointException(
                name + ": key '" + key + "': expected " + expected + ", found " + json.get(key));
    }

    /** The JSON itself. */
    @Override
    public String toString() {
        return json.toString();
    }
}

package io.pbsattn.zoo.checkpoint;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A JSON object of a model's folder; its errors name the file and the key. */
public final class JsonFile {

    /** Characters of a wrong value that an error shows. */
    private static final int SHOWN = 200;

    private final String name;
    private final JsonObject json;

    private JsonFile(String name, JsonObject json) {
        this.name = name;
        this.json = json;
    }

    /**
     * Reads a file.
     *
     * @param file holds one JSON object
     * @return the object
     * @throws IOException if it cannot be read
     * @throws CheckpointException if it holds something else; names the file
     */
    public static JsonFile read(Path file) throws IOException, CheckpointException {
        String text = TextFile.read(file);
        try {
            JsonElement element = JsonParser.parseString(text);
            if (!element.isJsonObject()) {
                throw new CheckpointException(file + ": expected a JSON object");
            }
            return new JsonFile(file.toString(), element.getAsJsonObject());
        } catch (JsonParseException e) {
            throw new CheckpointException(file + ": not valid JSON: " + e.getMessage(), e);
        }
    }

    /**
     * Tells whether a key has a value.
     *
     * @param key the key
     * @return false if it is missing or null
     */
    public boolean has(String key) {
        return json.has(key) && !json.get(key).isJsonNull();
    }

    /**
     * Tells whether a key is there at all, be it null.
     *
     * @param key the key
     * @return false if it is missing
     */
    public boolean states(String key) {
        return json.has(key);
    }

    /**
     * Returns the keys, in the order of the file.
     *
     * @return the keys, those with null too
     */
    public List<String> keys() {
        return List.copyOf(json.keySet());
    }

    /**
     * Tells whether any of the values is an object itself.
     *
     * @return true if one is
     */
    public boolean holdsObjects() {
        return json.asMap().values().stream().anyMatch(JsonElement::isJsonObject);
    }

    /**
     * Returns a value.
     *
     * @param key the key
     * @return the value, which is not null
     * @throws CheckpointException if it is missing; names file and key
     */
    public JsonElement get(String key) throws CheckpointException {
        if (!has(key)) {
            throw new CheckpointException(name + ": key '" + key + "' is missing");
        }
        return json.get(key);
    }

    /**
     * Returns an object within this one.
     *
     * @param key the key
     * @return the object
     * @throws CheckpointException if it is missing or something else; names file and key
     */
    public JsonFile object(String key) throws CheckpointException {
        JsonElement element = get(key);
        if (!element.isJsonObject()) {
            throw wrong(key, "an object");
        }
        return new JsonFile(name + ": " + key, element.getAsJsonObject());
    }

    /**
     * Returns a string.
     *
     * @param key the key
     * @return the string
     * @throws CheckpointException if it is missing or something else; names file and key
     */
    public String string(String key) throws CheckpointException {
        JsonElement element = get(key);
        if (!isString(element)) {
            throw wrong(key, "a string");
        }
        return element.getAsString();
    }

    /**
     * Returns a positive integer.
     *
     * @param key the key
     * @return 1 or more
     * @throws CheckpointException if it is missing or something else; names file and key
     */
    public int positive(String key) throws CheckpointException {
        return whole(key, number(key), 1, Integer.MAX_VALUE, "a positive integer");
    }

    /**
     * Returns a positive integer.
     *
     * @param key the key
     * @param missing stands in where it is missing or null
     * @return the number
     * @throws CheckpointException if it is something else; names file and key
     */
    public int positive(String key, int missing) throws CheckpointException {
        return has(key) ? positive(key) : missing;
    }

    /**
     * Returns a positive integer that is no larger than is plausible.
     *
     * @param key the key
     * @param missing stands in where it is missing or null
     * @param largest the largest number that is taken
     * @return 1 to largest
     * @throws CheckpointException if it is something else; names file and key
     */
    public int positive(String key, int missing, int largest) throws CheckpointException {
        return whole(key, number(key, missing), 1, largest, "an integer from 1 to " + largest);
    }

    /**
     * Returns a number of things, which may be 0.
     *
     * @param key the key
     * @param missing stands in where it is missing or null
     * @return 0 or more
     * @throws CheckpointException if it is something else; names file and key
     */
    public int count(String key, int missing) throws CheckpointException {
        return whole(key, number(key, missing), 0, Integer.MAX_VALUE, "0 or a positive integer");
    }

    private int whole(String key, double value, int smallest, int largest, String expected)
            throws CheckpointException {
        if (value < smallest || value > largest || value != Math.rint(value)) {
            throw wrong(key, expected);
        }
        return (int) value;
    }

    /**
     * Returns a list of strings.
     *
     * @param key the key
     * @return the strings
     * @throws CheckpointException if it is missing or something else; names file and key
     */
    public List<String> strings(String key) throws CheckpointException {
        List<String> strings = new ArrayList<>();
        for (JsonElement element : array(key, "a list of strings")) {
            if (!isString(element)) {
                throw wrong(key, "a list of strings");
            }
            strings.add(element.getAsString());
        }
        return strings;
    }

    /**
     * Returns a list of numbers.
     *
     * @param key the key
     * @return the numbers, all of them finite
     * @throws CheckpointException if it is missing or something else; names file and key
     */
    public List<Double> numbers(String key) throws CheckpointException {
        List<Double> numbers = new ArrayList<>();
        for (JsonElement element : array(key, "a list of numbers")) {
            if (!isFinite(element)) {
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

    /**
     * Returns a number.
     *
     * @param key the key
     * @return the number, which is finite
     * @throws CheckpointException if it is missing or something else; names file and key
     */
    public double number(String key) throws CheckpointException {
        JsonElement element = get(key);
        if (!isFinite(element)) {
            throw wrong(key, "a number");
        }
        return element.getAsDouble();
    }

    /**
     * Returns a number.
     *
     * @param key the key
     * @param missing stands in where it is missing or null
     * @return the number
     * @throws CheckpointException if it is something else; names file and key
     */
    public double number(String key, double missing) throws CheckpointException {
        return has(key) ? number(key) : missing;
    }

    /**
     * Returns a flag, false where it is missing or null.
     *
     * @param key the key
     * @return the flag
     * @throws CheckpointException if it is something else; names file and key
     */
    public boolean flag(String key) throws CheckpointException {
        return flag(key, false);
    }

    /**
     * Returns a flag.
     *
     * @param key the key
     * @param missing stands in where it is missing or null
     * @return the flag
     * @throws CheckpointException if it is something else; names file and key
     */
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

    private static boolean isString(JsonElement element) {
        return element.isJsonPrimitive() && element.getAsJsonPrimitive().isString();
    }

    private static boolean isFinite(JsonElement element) {
        return element.isJsonPrimitive()
                && element.getAsJsonPrimitive().isNumber()
                && Double.isFinite(element.getAsDouble());
    }

    /**
     * Makes the error of a value that is not what it should be.
     *
     * @param key the key
     * @param expected what it should be
     * @return the error, which names file, key and value
     */
    public CheckpointException wrong(String key, String expected) {
        String found = String.valueOf(json.get(key));
        if (found.length() > SHOWN) {
            found = found.substring(0, SHOWN) + "...";
        }
        return new CheckpointException(
                name + ": key '" + key + "': expected " + expected + ", found " + found);
    }
}

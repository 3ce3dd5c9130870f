package io.pbsattn.zoo.text;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.TextFile;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Path;

/**
 * JSON that the native tokenizer parses without a complaint: its parser ends the process where a
 * decoder is not valid JSON, and knows neither numbers beyond double precision nor halves of
 * surrogate pairs.
 */
final class StrictJson {

    /** The native parser takes 128 levels. */
    private static final int MAX_DEPTH = 64;

    private StrictJson() {}

    /** Reads a file that holds one JSON object. */
    static JsonObject read(Path file) throws IOException, CheckpointException {
        String text = TextFile.read(file);
        try (JsonReader reader = new JsonReader(new StringReader(text))) {
            reader.setStrictness(Strictness.STRICT);
            reader.setNestingLimit(MAX_DEPTH);
            JsonElement element = JsonParser.parseReader(reader);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw new CheckpointException(file + ": expected one JSON object, found more");
            }
            if (!element.isJsonObject()) {
                throw new CheckpointException(file + ": expected a JSON object");
            }
            check(file.toString(), element);
            return element.getAsJsonObject();
        } catch (IOException | JsonParseException e) {
            throw new CheckpointException(file + ": not valid JSON: " + e.getMessage(), e);
        }
    }

    private static void check(String where, JsonElement element) throws CheckpointException {
        if (element instanceof JsonObject object) {
            for (var entry : object.entrySet()) {
                check(where, entry.getKey());
                check(where, entry.getValue());
            }
        } else if (element instanceof JsonArray array) {
            for (JsonElement item : array) {
                check(where, item);
            }
        } else if (element.isJsonPrimitive() && element.getAsJsonPrimitive().isNumber()) {
            if (!Double.isFinite(element.getAsDouble())) {
                throw new CheckpointException(
                        where + ": expected numbers of double precision, found " + element);
            }
        } else if (element.isJsonPrimitive() && element.getAsJsonPrimitive().isString()) {
            check(where, element.getAsString());
        }
    }

    /** Checks that a string is text: surrogates stand in pairs. */
    static void check(String where, String text) throws CheckpointException {
        if (!WellFormed.isWellFormed(text)) {
            throw new CheckpointException(
                    where + ": expected characters, found half of a surrogate pair");
        }
    }
}

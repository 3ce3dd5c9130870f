package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.pbsattn.zoo.checkpoint.CheckpointException;

/**
 * A token that texts are searched for before the model's own pieces, in the form of tokenizer.json.
 *
 * @param content how it is written; never empty
 * @param singleWord whether it must be a word of its own
 * @param lstrip whether it takes the white space before it
 * @param rstrip whether it takes the white space after it
 * @param normalized whether it is searched for in normalised text
 * @param special whether it is a mark rather than text
 */
record AddedToken(
        String content,
        boolean singleWord,
        boolean lstrip,
        boolean rstrip,
        boolean normalized,
        boolean special) {

    static final String CONTENT = "content";

    /** A special token of which nothing but the name is known. */
    static AddedToken special(String content) {
        return new AddedToken(content, false, false, false, false, true);
    }

    /**
     * Reads a token.
     *
     * @param where it stands: file and key
     * @param json an object with content and flags; flags may be missing
     */
    static AddedToken read(String where, JsonElement json) throws CheckpointException {
        if (!json.isJsonObject()) {
            throw wrong(where, json);
        }
        JsonObject object = json.getAsJsonObject();
        JsonElement content = object.get(CONTENT);
        if (!isString(content)) {
            throw wrong(where, json);
        }
        StrictJson.check(where, content.getAsString());
        boolean special = flag(where, object, "special", false);
        return new AddedToken(
                content.getAsString(),
                flag(where, object, "single_word", false),
                flag(where, object, "lstrip", false),
                flag(where, object, "rstrip", false),
                flag(where, object, "normalized", !special),
                special);
    }

    private static boolean flag(String where, JsonObject object, String key, boolean missing)
            throws CheckpointException {
        JsonElement flag = object.get(key);
        if (flag == null || flag.isJsonNull()) {
            return missing;
        }
        if (!flag.isJsonPrimitive() || !flag.getAsJsonPrimitive().isBoolean()) {
            throw new CheckpointException(
                    where + ": key '" + key + "': expected true or false, found " + flag);
        }
        return flag.getAsBoolean();
    }

    private static CheckpointException wrong(String where, JsonElement found) {
        String shown = found.toString();
        return new CheckpointException(
                where
                        + ": expected a token, an object with the string 'content', found "
                        + shown.substring(0, Math.min(shown.length(), 100)));
    }

    static boolean isString(JsonElement element) {
        return element instanceof JsonPrimitive primitive && primitive.isString();
    }

    AddedToken asSpecial() {
        return new AddedToken(content, singleWord, lstrip, rstrip, normalized, true);
    }

    /** The token as tokenizer.json has it. */
    JsonObject toJson(long id) {
        JsonObject json = new JsonObject();
        json.addProperty("id", id);
        json.addProperty(CONTENT, content);
        json.addProperty("single_word", singleWord);
        json.addProperty("lstrip", lstrip);
        json.addProperty("rstrip", rstrip);
        json.addProperty("normalized", normalized);
        json.addProperty("special", special);
        return json;
    }
}

package io.pbsattn.zoo.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.MalformedJsonException;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * The special tokens of a tokenizer, and a second form of the tokenizer in which they have secret
 * names. A tokenizer makes a special token of every text that looks like one; the second form only
 * knows the secret names, which stand where the template put special tokens and which nobody can
 * write. Ids, merges and everything else are the same in both.
 */
final class SpecialTokens {

    private static final String ADDED_TOKENS = "added_tokens";
    private static final String CONTENT = "content";
    private static final String ID = "id";
    private static final String MODEL = "model";
    private static final String UNK_TOKEN = "unk_token";
    private static final String UNK_ID = "unk_id";

    private static final int SECRET_LENGTH = 5;
    private static final int PRIVATE_USE = 0xF0000;
    private static final int PRIVATE_USE_SIZE = 0xFFFE;

    /** Names to secret names. */
    private final Map<String, String> secrets;

    /** The tokens by their first character, the longest first. */
    private final Map<Character, List<String>> byFirst = new HashMap<>();

    private final Set<Long> ids;

    private SpecialTokens(Map<String, String> secrets, Set<Long> ids) {
        this.secrets = secrets;
        this.ids = ids;
        for (String token : secrets.keySet()) {
            byFirst.computeIfAbsent(token.charAt(0), c -> new ArrayList<>()).add(token);
        }
        Comparator<String> longest = Comparator.comparingInt(String::length);
        byFirst.values().forEach(tokens -> tokens.sort(longest.reversed()));
    }

    /** Reads the added tokens of a tokenizer.json that are special, and skips the rest of it. */
    static SpecialTokens read(Path file) throws IOException, CheckpointException {
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(file + ": no such file");
        }
        List<JsonObject> added = new ArrayList<>();
        JsonObject unknown = new JsonObject();
        try (JsonReader json = new JsonReader(Files.newBufferedReader(file))) {
            json.beginObject();
            while (json.hasNext()) {
                String key = json.nextName();
                if (key.equals(ADDED_TOKENS)) {
                    added = addedTokens(file, JsonParser.parseReader(json));
                } else if (key.equals(MODEL)) {
                    readUnknown(json, unknown);
                } else {
                    json.skipValue();
                }
            }
        } catch (EOFException
                | MalformedJsonException
                | JsonParseException
                | IllegalStateException e) {
            throw new CheckpointException(file + ": not a tokenizer: " + e.getMessage(), e);
        }
        return of(added, unknown);
    }

    private static SpecialTokens of(List<JsonObject> added, JsonObject unknown) {
        Map<String, String> secrets = new HashMap<>();
        Set<Long> ids = new HashSet<>();
        SecureRandom random = new SecureRandom();
        for (JsonObject token : added) {
            String content = token.get(CONTENT).getAsString();
            if (isSpecial(token) && !content.isEmpty()) {
                secrets.put(content, secret(random));
                // What a tokenizer does not know becomes its unknown token; that forges nothing.
                if (!token.get(CONTENT).equals(unknown.get(UNK_TOKEN))
                        && !token.get(ID).equals(unknown.get(UNK_ID))) {
                    ids.add(token.get(ID).getAsLong());
                }
            }
        }
        return new SpecialTokens(secrets, ids);
    }

    /** Reads what a model says about its unknown token: a name or an index. */
    private static void readUnknown(JsonReader json, JsonObject unknown) throws IOException {
        json.beginObject();
        while (json.hasNext()) {
            String key = json.nextName();
            if (key.equals(UNK_TOKEN) || key.equals(UNK_ID)) {
                unknown.add(key, JsonParser.parseReader(json));
            } else {
                json.skipValue();
            }
        }
        json.endObject();
    }

    private static List<JsonObject> addedTokens(Path file, JsonElement list)
            throws CheckpointException {
        List<JsonObject> tokens = new ArrayList<>();
        try {
            for (JsonElement element : list.getAsJsonArray()) {
                JsonObject token = element.getAsJsonObject();
                if (token.get(ID).getAsLong() < 0 || token.get(CONTENT).isJsonNull()) {
                    throw new IllegalArgumentException("not a token: " + token);
                }
                tokens.add(token);
            }
        } catch (RuntimeException e) {
            throw new CheckpointException(
                    file
                            + ": key 'added_tokens': expected a list of objects with id and"
                            + " content: "
                            + e.getMessage(),
                    e);
        }
        return tokens;
    }

    private static boolean isSpecial(JsonObject token) {
        JsonElement special = token.get("special");
        return special != null && special.isJsonPrimitive() && special.getAsBoolean();
    }

    private static String secret(SecureRandom random) {
        StringBuilder name = new StringBuilder();
        for (int i = 0; i < SECRET_LENGTH; ++i) {
            name.appendCodePoint(PRIVATE_USE + random.nextInt(PRIVATE_USE_SIZE));
        }
        return name.toString();
    }

    /** How many of the ids are special. */
    int count(long[] tokenIds) {
        int found = 0;
        for (long id : tokenIds) {
            found += ids.contains(id) ? 1 : 0;
        }
        return found;
    }

    /** The tokens as they are written. */
    Set<String> names() {
        return secrets.keySet();
    }

    /** The special tokens of a text in their order. */
    List<String> find(String text) {
        List<String> found = new ArrayList<>();
        for (int i = 0; i < text.length(); ) {
            String token = tokenAt(text, i);
            if (token != null) {
                found.add(token);
            }
            i += token == null ? 1 : token.length();
        }
        return found;
    }

    /** The longest token that begins at a position, or null. */
    private String tokenAt(String text, int position) {
        for (String token : byFirst.getOrDefault(text.charAt(position), List.of())) {
            if (text.startsWith(token, position)) {
                return token;
            }
        }
        return null;
    }

    /** Gives the special tokens that are the template's own their secret names. */
    Marked mark(ChatTemplate.Prompt prompt) {
        String text = prompt.text();
        StringBuilder marked = new StringBuilder();
        int count = 0;
        boolean hasForged = false;
        for (int i = 0; i < text.length(); ) {
            String own = tokenAt(prompt.own(), i);
            hasForged |= !Objects.equals(own, tokenAt(text, i));
            if (own == null) {
                marked.append(text.charAt(i++));
            } else {
                marked.append(secrets.get(own));
                ++count;
                i += own.length();
            }
        }
        return new Marked(marked.toString(), count, hasForged);
    }

    /**
     * A text whose special tokens have their secret names.
     *
     * @param text the text
     * @param count how many special tokens the template put
     * @param hasForged whether something else looks like one
     */
    record Marked(String text, int count, boolean hasForged) {}

    /** Opens the tokenizer that knows the secret names only. */
    HuggingFaceTokenizer openGuarded(Path file) throws IOException, CheckpointException {
        JsonFile json = JsonFile.read(file);
        if (json.has(ADDED_TOKENS)) {
            for (JsonObject token : addedTokens(file, json.get(ADDED_TOKENS))) {
                if (isSpecial(token)) {
                    token.addProperty(CONTENT, renamed(token.get(CONTENT).getAsString()));
                }
            }
        }
        JsonObject model = json.get(MODEL).getAsJsonObject();
        JsonElement unknown = model.get(UNK_TOKEN);
        if (unknown != null && unknown.isJsonPrimitive()) {
            model.addProperty(UNK_TOKEN, renamed(unknown.getAsString()));
        }
        JsonElement vocabulary = model.get("vocab");
        if (vocabulary != null && vocabulary.isJsonObject()) {
            JsonObject names = new JsonObject();
            vocabulary.getAsJsonObject().asMap().forEach((n, id) -> names.add(renamed(n), id));
            model.add("vocab", names);
        } else if (vocabulary != null && vocabulary.isJsonArray()) {
            for (JsonElement entry : vocabulary.getAsJsonArray()) {
                JsonArray pair = entry.getAsJsonArray();
                String name = renamed(pair.get(0).getAsString());
                pair.set(0, new JsonPrimitive(name));
            }
        }
        if (model.has("merges")) {
            model.add("merges", withoutSpecial(model.getAsJsonArray("merges")));
        }
        byte[] bytes = json.toString().getBytes(StandardCharsets.UTF_8);
        return HuggingFaceTokenizer.newInstance(
                new ByteArrayInputStream(bytes),
                Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false"));
    }

    /** Merges into special tokens, which would name what has another name now. */
    private JsonArray withoutSpecial(JsonArray merges) {
        JsonArray kept = new JsonArray(merges.size());
        for (JsonElement merge : merges) {
            String merged =
                    merge.isJsonArray()
                            ? merge.getAsJsonArray().get(0).getAsString()
                                    + merge.getAsJsonArray().get(1).getAsString()
                            : merge.getAsString().replaceFirst(" ", "");
            if (!secrets.containsKey(merged)) {
                kept.add(merge);
            }
        }
        return kept;
    }

    private String renamed(String name) {
        return secrets.getOrDefault(name, name);
    }
}

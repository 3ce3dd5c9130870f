package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The tokens that a model's folder names beside tokenizer.json. They are looked for where
 * transformers looks, in its order: {@code added_tokens_decoder} of tokenizer_config.json makes
 * special_tokens_map.json and added_tokens.json void; without it the former goes before
 * tokenizer_config.json, and the latter has more tokens.
 */
final class FolderTokens {

    /** The names that every tokenizer of transformers knows. */
    private static final List<String> NAMES =
            List.of(
                    "bos_token",
                    "eos_token",
                    "unk_token",
                    "sep_token",
                    "pad_token",
                    "cls_token",
                    "mask_token");

    private static final String CONFIG = "tokenizer_config.json";
    private static final String MAP = "special_tokens_map.json";
    private static final String ADDED = "added_tokens.json";
    private static final String DECODER = "added_tokens_decoder";
    private static final String EXTRA = "extra_special_tokens";
    private static final String ADDITIONAL = "additional_special_tokens";

    private final Map<String, AddedToken> named = new LinkedHashMap<>();
    private final Map<String, AddedToken> extra = new LinkedHashMap<>();
    private final Map<Long, AddedToken> byId = new TreeMap<>();

    private FolderTokens() {}

    /** Reads a model's folder; the files may all be missing. */
    static FolderTokens read(Path folder) throws IOException, CheckpointException {
        FolderTokens tokens = new FolderTokens();
        Path configFile = folder.resolve(CONFIG);
        JsonFile config = Files.exists(configFile) ? JsonFile.read(configFile) : null;
        if (config != null) {
            tokens.readNamed(configFile, config);
        }
        if (config != null && config.has(DECODER)) {
            tokens.readDecoder(configFile, config.object(DECODER));
        } else {
            Path mapFile = folder.resolve(MAP);
            if (Files.exists(mapFile)) {
                tokens.readNamed(mapFile, JsonFile.read(mapFile));
            }
            Path addedFile = folder.resolve(ADDED);
            if (Files.exists(addedFile)) {
                tokens.readAdded(addedFile, JsonFile.read(addedFile));
            }
        }
        return tokens;
    }

    /** What templates call the tokens. */
    Map<String, String> names() {
        Map<String, String> names = new LinkedHashMap<>();
        named.forEach((name, token) -> names.put(name, token.content()));
        return names;
    }

    /** Tokens with ids, by these. */
    Map<Long, AddedToken> byId() {
        return byId;
    }

    /** The special tokens without ids, those with names first. */
    List<AddedToken> withoutIds() {
        List<AddedToken> tokens = new ArrayList<>(named.values());
        tokens.addAll(extra.values());
        return tokens;
    }

    private void readNamed(Path file, JsonFile json) throws CheckpointException {
        for (String key : json.keys()) {
            boolean isName = NAMES.contains(key);
            boolean isToken = json.has(key) && (isName || key.endsWith("_token"));
            if (isToken && (isName || holdsToken(json.get(key)))) {
                named.put(key, token(file + ": key '" + key + "'", json.get(key)));
            } else if (isName) {
                named.remove(key); // null says that there is none
            }
        }
        for (String key : List.of(EXTRA, ADDITIONAL)) {
            if (json.has(key)) {
                readExtra(file + ": key '" + key + "'", json.get(key));
            }
        }
    }

    /** Keys like add_bos_token hold flags. */
    private static boolean holdsToken(JsonElement value) {
        return AddedToken.isString(value) || value.isJsonObject();
    }

    /** A list of tokens, or an object of names and tokens. */
    private void readExtra(String where, JsonElement value) throws CheckpointException {
        if (value.isJsonObject()) {
            for (var entry : value.getAsJsonObject().entrySet()) {
                named.put(entry.getKey(), token(where, entry.getValue()));
            }
        } else if (value.isJsonArray()) {
            for (JsonElement element : value.getAsJsonArray()) {
                AddedToken token = token(where, element);
                extra.putIfAbsent(token.content(), token);
            }
        } else {
            throw new CheckpointException(where + ": expected a list or an object of tokens");
        }
    }

    private static AddedToken token(String where, JsonElement value) throws CheckpointException {
        if (AddedToken.isString(value)) {
            StrictJson.check(where, value.getAsString());
            return AddedToken.special(value.getAsString());
        }
        JsonElement special = value;
        if (value.isJsonObject() && !value.getAsJsonObject().has("normalized")) {
            JsonObject copy = value.getAsJsonObject().deepCopy();
            copy.addProperty("normalized", false);
            special = copy;
        }
        return AddedToken.read(where, special).asSpecial();
    }

    private void readDecoder(Path file, JsonFile decoder) throws CheckpointException {
        for (String key : decoder.keys()) {
            String where = file + ": " + DECODER + ": key '" + key + "'";
            byId.put(id(where, key), AddedToken.read(where, decoder.get(key)));
        }
    }

    private static long id(String where, String key) throws CheckpointException {
        if (!key.matches("\\d{1,9}")) {
            throw new CheckpointException(where + ": expected an id");
        }
        return Long.parseLong(key);
    }

    /** An object of tokens and their ids; those that have names are special. */
    private void readAdded(Path file, JsonFile added) throws CheckpointException {
        Set<String> special =
                withoutIds().stream().map(AddedToken::content).collect(Collectors.toSet());
        for (String content : added.keys()) {
            StrictJson.check(file.toString(), content);
            boolean isSpecial = special.contains(content);
            byId.put(
                    (long) added.count(content, 0),
                    new AddedToken(content, false, false, false, !isSpecial, isSpecial));
        }
    }
}

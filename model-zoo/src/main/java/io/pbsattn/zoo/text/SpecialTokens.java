package io.pbsattn.zoo.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.pbsattn.zoo.checkpoint.CheckpointException;
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
    private static final String CONTENT = AddedToken.CONTENT;
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

    static SpecialTokens of(TokenizerJson tokenizer) {
        Map<String, String> secrets = new HashMap<>();
        Set<Long> ids = new HashSet<>();
        SecureRandom random = new SecureRandom();
        JsonObject model = tokenizer.json().getAsJsonObject(TokenizerJson.MODEL);
        for (AddedTokens.Entry entry : tokenizer.added()) {
            String content = entry.token().content();
            if (entry.token().special()) {
                secrets.putIfAbsent(content, secret(random));
                // What a tokenizer does not know becomes its unknown token; that forges nothing.
                boolean isUnknown =
                        new JsonPrimitive(content).equals(model.get(UNK_TOKEN))
                                || new JsonPrimitive(entry.id()).equals(model.get(UNK_ID));
                if (!isUnknown) {
                    ids.add(entry.id());
                }
            }
        }
        return new SpecialTokens(secrets, ids);
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

    /**
     * Opens the tokenizer that knows the secret names only.
     *
     * @param tokenizer is changed
     */
    HuggingFaceTokenizer openGuarded(TokenizerJson tokenizer) throws CheckpointException {
        JsonObject json = tokenizer.json();
        for (JsonElement element : json.getAsJsonArray(ADDED_TOKENS)) {
            JsonObject token = element.getAsJsonObject();
            String name = token.get(CONTENT).getAsString();
            token.addProperty(CONTENT, renamed(name));
        }
        JsonObject model = json.getAsJsonObject(TokenizerJson.MODEL);
        JsonElement unknown = model.get(UNK_TOKEN);
        if (AddedToken.isString(unknown)) {
            model.addProperty(UNK_TOKEN, renamed(unknown.getAsString()));
        }
        if (model.get(Vocabulary.VOCAB) instanceof JsonObject vocabulary) {
            JsonObject names = new JsonObject();
            vocabulary.asMap().forEach((n, id) -> names.add(renamed(n), id));
            model.add(Vocabulary.VOCAB, names);
        } else {
            for (JsonElement entry : model.getAsJsonArray(Vocabulary.VOCAB)) {
                JsonArray pair = entry.getAsJsonArray();
                String name = renamed(pair.get(0).getAsString());
                pair.set(0, new JsonPrimitive(name));
            }
        }
        if (model.get(Vocabulary.MERGES) instanceof JsonArray merges) {
            model.add(Vocabulary.MERGES, withoutSpecial(merges));
        }
        return tokenizer.open();
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

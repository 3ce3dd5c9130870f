package io.pbsattn.zoo.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A tokenizer.json that native code can open without ending the process, completed by the tokens
 * that other files of its folder add. What the native library answers with an error is left to it;
 * the checks here are about what makes it panic, or take memory and time without end. See decision
 * 0026.
 */
final class TokenizerJson {

    static final String NAME = "tokenizer.json";
    static final String MODEL = "model";
    static final String DECODER = "decoder";

    private static final String NORMALIZER = "normalizer";
    private static final String PRE_TOKENIZER = "pre_tokenizer";
    private static final String POST_PROCESSOR = "post_processor";
    private static final String ADDED_TOKENS = "added_tokens";

    /** Keys of what is done by the caller, or not at all. */
    private static final List<String> UNUSED = List.of("truncation", "padding");

    private static final Map<String, String> OPTIONS =
            Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false");

    private final Path file;
    private final JsonObject json;
    private final Vocabulary vocabulary;
    private final List<AddedTokens.Entry> added;

    private TokenizerJson(
            Path file, JsonObject json, Vocabulary vocabulary, List<AddedTokens.Entry> added) {
        this.file = file;
        this.json = json;
        this.vocabulary = vocabulary;
        this.added = added;
    }

    /**
     * Reads a tokenizer and checks it.
     *
     * @param file tokenizer.json; its folder may hold other files that name tokens
     * @throws CheckpointException naming the file and what is wrong
     */
    static TokenizerJson read(Path file) throws IOException, CheckpointException {
        JsonObject json = StrictJson.read(file);
        UNUSED.forEach(json::remove);
        PartCheck.NORMALIZER.check(where(file, NORMALIZER), json.get(NORMALIZER));
        PartCheck.PRE_TOKENIZER.check(where(file, PRE_TOKENIZER), json.get(PRE_TOKENIZER));
        PartCheck.DECODER.check(where(file, DECODER), json.get(DECODER));
        PartCheck.POST_PROCESSOR.check(where(file, POST_PROCESSOR), json.get(POST_PROCESSOR));
        Vocabulary vocabulary = Vocabulary.read(where(file, MODEL), json.get(MODEL));
        Path folder = file.toAbsolutePath().getParent();
        List<AddedTokens.Entry> added =
                AddedTokens.read(
                        where(file, ADDED_TOKENS),
                        json.get(ADDED_TOKENS),
                        FolderTokens.read(folder),
                        vocabulary);
        TokenizerJson tokenizer = new TokenizerJson(file, json, vocabulary, added);
        tokenizer.checkNormalized();
        JsonArray tokens = new JsonArray();
        added.forEach(entry -> tokens.add(entry.token().toJson(entry.id())));
        json.add(ADDED_TOKENS, tokens);
        return tokenizer;
    }

    private static String where(Path file, String key) {
        return file + ": key '" + key + "'";
    }

    /**
     * Tokens that are searched for in normalised text are normalised too. Where nothing is left of
     * one, the search finds it everywhere, and inside of characters. A tokenizer with the same
     * normalizer, to which every text is one word, tells.
     */
    private void checkNormalized() throws CheckpointException {
        List<AddedTokens.Entry> normalized =
                added.stream().filter(entry -> entry.token().normalized()).toList();
        JsonElement normalizer = json.get(NORMALIZER);
        if (normalized.isEmpty() || normalizer == null || normalizer.isJsonNull()) {
            return;
        }
        JsonObject words = new JsonObject();
        words.addProperty("word", 0);
        JsonObject model = new JsonObject();
        model.addProperty("type", "WordLevel");
        model.addProperty("unk_token", "word");
        model.add("vocab", words);
        JsonObject probe = new JsonObject();
        probe.add(NORMALIZER, normalizer);
        probe.add(MODEL, model);
        try (HuggingFaceTokenizer tokenizer = open(file, probe)) {
            for (AddedTokens.Entry entry : normalized) {
                String content = entry.token().content();
                if (tokenizer.encode(content, false, false).getIds().length == 0) {
                    throw new CheckpointException(
                            where(file, ADDED_TOKENS)
                                    + ": token '"
                                    + content
                                    + "': nothing is left of it when it is normalized");
                }
            }
        }
    }

    /** Opens the tokenizer; it neither cuts nor pads, nor adds special tokens by itself. */
    HuggingFaceTokenizer open() throws CheckpointException {
        return open(file, json);
    }

    private static HuggingFaceTokenizer open(Path file, JsonObject json)
            throws CheckpointException {
        byte[] bytes = json.toString().getBytes(StandardCharsets.UTF_8);
        try {
            return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(bytes), OPTIONS);
        } catch (IOException | RuntimeException e) {
            throw new CheckpointException(file + ": not a tokenizer: " + e.getMessage(), e);
        }
    }

    Path file() {
        return file;
    }

    /** The JSON object, which the caller may change before it opens the tokenizer. */
    JsonObject json() {
        return json;
    }

    /** A part of the tokenizer, such as its decoder; null if there is none. */
    JsonElement part(String key) {
        JsonElement part = json.get(key);
        return part == null || part.isJsonNull() ? null : part;
    }

    Vocabulary vocabulary() {
        return vocabulary;
    }

    /** The added tokens with the ids that the native library gives them. */
    List<AddedTokens.Entry> added() {
        return added;
    }
}

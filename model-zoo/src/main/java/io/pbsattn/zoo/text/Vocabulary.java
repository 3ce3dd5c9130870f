package io.pbsattn.zoo.text;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** The model of a tokenizer, checked: its pieces, their ids, and how they are merged. */
final class Vocabulary {

    static final String VOCAB = "vocab";
    static final String MERGES = "merges";

    private static final String PREFIX = "continuing_subword_prefix";
    private static final String SUFFIX = "end_of_word_suffix";
    private static final String WORD_LENGTH = "max_input_chars_per_word";

    /** The time for a word grows with the third power of this. */
    private static final int MAX_WORD = 1000;

    /** A list of pieces becomes a tree as deep as the longest one, which is freed recursively. */
    private static final int MAX_PIECE = 512;

    /** The native library puts affixes around each character. */
    private static final int MAX_AFFIX = 64;

    private final JsonObject model;
    private final Map<String, Long> ids = new HashMap<>();
    private final long size;

    private Vocabulary(String where, JsonObject model) throws CheckpointException {
        this.model = model;
        JsonElement vocab = model.get(VOCAB);
        if (vocab instanceof JsonObject names) {
            readNames(where, names);
            size = ids.size();
        } else if (vocab instanceof JsonArray pieces) {
            readPieces(where, pieces);
            size = pieces.size();
        } else {
            throw new CheckpointException(
                    where + ": expected '" + VOCAB + "', an object or a list");
        }
    }

    /**
     * Reads a model.
     *
     * @param where it stands: file and key
     */
    static Vocabulary read(String where, JsonElement model) throws CheckpointException {
        if (!(model instanceof JsonObject object)) {
            throw new CheckpointException(where + ": expected an object");
        }
        Vocabulary vocabulary = new Vocabulary(where, object);
        int prefix = vocabulary.affix(where, PREFIX);
        vocabulary.affix(where, SUFFIX);
        if (object.get(MERGES) instanceof JsonArray merges) {
            checkMerges(where, merges, prefix);
        }
        JsonElement length = object.get(WORD_LENGTH);
        if (length != null && !(wholeNumber(length) >= 0 && wholeNumber(length) <= MAX_WORD)) {
            throw new CheckpointException(
                    where + ": key '" + WORD_LENGTH + "': expected 0 to " + MAX_WORD);
        }
        return vocabulary;
    }

    private void readNames(String where, JsonObject names) throws CheckpointException {
        for (var entry : names.entrySet()) {
            long id = wholeNumber(entry.getValue());
            if (id < 0 || id > Integer.MAX_VALUE) {
                throw new CheckpointException(
                        where
                                + ": piece '"
                                + entry.getKey()
                                + "': expected an id, found "
                                + entry.getValue());
            }
            ids.put(entry.getKey(), id);
        }
    }

    /** A list of (piece, score), whose ids are their indices. */
    private void readPieces(String where, JsonArray pieces) throws CheckpointException {
        for (int i = 0; i < pieces.size(); ++i) {
            boolean isPair = pieces.get(i) instanceof JsonArray pair && pair.size() == 2;
            JsonElement piece = isPair ? pieces.get(i).getAsJsonArray().get(0) : null;
            if (!AddedToken.isString(piece) || utf8(piece.getAsString()) > MAX_PIECE) {
                throw new CheckpointException(
                        where
                                + ": piece "
                                + i
                                + ": expected a string of at most "
                                + MAX_PIECE
                                + " bytes and a score");
            }
            ids.put(piece.getAsString(), (long) i);
        }
    }

    /** The bytes of a string that the model puts before or after pieces; 0 if it has none. */
    private int affix(String where, String key) throws CheckpointException {
        JsonElement affix = model.get(key);
        if (affix == null || affix.isJsonNull()) {
            return 0;
        }
        if (!AddedToken.isString(affix) || affix.getAsString().length() > MAX_AFFIX) {
            throw new CheckpointException(
                    where
                            + ": key '"
                            + key
                            + "': expected a string of at most "
                            + MAX_AFFIX
                            + " characters");
        }
        return utf8(affix.getAsString());
    }

    /** The native library cuts the prefix off the second part without a look at it. */
    private static void checkMerges(String where, JsonArray merges, int prefix)
            throws CheckpointException {
        for (JsonElement merge : merges) {
            String second = second(merge);
            if (second == null) {
                throw new CheckpointException(
                        where + ": key '" + MERGES + "': expected pairs of pieces, found " + merge);
            }
            byte[] bytes = second.getBytes(StandardCharsets.UTF_8);
            boolean isCut = prefix < bytes.length && (bytes[prefix] & 0xC0) != 0x80;
            if (prefix > 0 && !isCut && prefix != bytes.length) {
                throw new CheckpointException(
                        where
                                + ": key '"
                                + MERGES
                                + "': expected "
                                + PREFIX
                                + " before '"
                                + second
                                + "'");
            }
        }
    }

    /** The second part of a merge, a string "a b" or a list of two; null if it is neither. */
    private static String second(JsonElement merge) {
        if (AddedToken.isString(merge)) {
            String text = merge.getAsString();
            return text.substring(text.indexOf(' ') + 1);
        }
        boolean isPair =
                merge instanceof JsonArray pair
                        && pair.size() == 2
                        && AddedToken.isString(pair.get(0))
                        && AddedToken.isString(pair.get(1));
        return isPair ? merge.getAsJsonArray().get(1).getAsString() : null;
    }

    private static long wholeNumber(JsonElement element) {
        boolean isNumber = element.isJsonPrimitive() && element.getAsJsonPrimitive().isNumber();
        double value = isNumber ? element.getAsDouble() : -1;
        return value == Math.rint(value) && Math.abs(value) <= Integer.MAX_VALUE
                ? (long) value
                : -1;
    }

    private static int utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    /** The id of a piece; null if there is none. */
    Long id(String piece) {
        return ids.get(piece);
    }

    Set<String> pieces() {
        return ids.keySet();
    }

    /** The number of pieces, and the id of the first token that is added to them. */
    long size() {
        return size;
    }

    /** Whether a flag of the model is set. */
    boolean flag(String key) {
        JsonElement flag = model.get(key);
        return flag != null
                && flag.isJsonPrimitive()
                && flag.getAsJsonPrimitive().isBoolean()
                && flag.getAsBoolean();
    }
}

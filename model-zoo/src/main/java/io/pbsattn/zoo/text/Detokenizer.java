package io.pbsattn.zoo.text;

import com.google.gson.JsonObject;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Turns ids into text, and knows about a tokenizer's decoder what decides how much of a text is
 * final while ids are still to come.
 */
public final class Detokenizer {

    private static final String TYPE = "type";

    /** The tokens of single bytes, as SentencePiece names them. */
    private static final Pattern BYTE = Pattern.compile("<0x[0-9A-F]{2}>");

    /**
     * Decoder steps that treat each token by itself, but for what they do to the first and the last
     * token of a text.
     */
    private static final Set<String> LOCAL =
            Set.of(
                    "ByteLevel",
                    "Metaspace",
                    "WordPiece",
                    "BPEDecoder",
                    "Replace",
                    "ByteFallback",
                    "Fuse",
                    "Strip");

    private final Function<long[], String> decoder;
    private final Set<Long> byteIds = new HashSet<>();
    private final List<JsonObject> steps;
    private final boolean isLocal;

    private Detokenizer(Function<long[], String> decoder, TokenizerJson json) {
        this.decoder = decoder;
        steps = PartCheck.steps(json.part(TokenizerJson.DECODER));
        isLocal = isLocal(steps);
        if (steps.stream().anyMatch(step -> is(step, "ByteFallback"))) {
            for (String piece : json.vocabulary().pieces()) {
                if (BYTE.matcher(piece).matches()) {
                    byteIds.add(json.vocabulary().id(piece));
                }
            }
        }
    }

    /**
     * Takes what the file of a tokenizer says about its decoder.
     *
     * @param decoder gives the text of ids without special tokens, by the tokenizer of that file
     * @param json of that file; the tokenizer has been opened with it
     */
    static Detokenizer of(Function<long[], String> decoder, TokenizerJson json) {
        return new Detokenizer(decoder, json);
    }

    /** The text of ids, without special tokens. */
    String decode(long[] ids) {
        return decoder.apply(ids);
    }

    /**
     * Whether an id stands for a single byte. A run of these is decoded as a whole: one byte that
     * does not fit makes replacement characters of all of them.
     */
    boolean isByte(long id) {
        return byteIds.contains(id);
    }

    /**
     * Whether the text of a token does not depend on tokens far from it, so that the text of a
     * range of tokens tells what the last of them add.
     */
    boolean isLocal() {
        return isLocal;
    }

    private static boolean isLocal(List<JsonObject> steps) {
        boolean isFused = false;
        for (JsonObject step : steps) {
            boolean isKnown = LOCAL.stream().anyMatch(type -> is(step, type));
            // Of what strips, only the beginning is: no decoder that strips the end is opened.
            boolean stripsBeginning = is(step, "Strip");
            // A step that sees the whole text may do anything to it but strip its beginning.
            if (!isKnown || (isFused && !stripsBeginning)) {
                return false;
            }
            isFused |= is(step, "Fuse");
        }
        return true;
    }

    private static boolean is(JsonObject step, String type) {
        return step.has(TYPE) && type.equals(step.get(TYPE).getAsString());
    }
}

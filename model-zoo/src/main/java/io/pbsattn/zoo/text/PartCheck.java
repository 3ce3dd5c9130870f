package io.pbsattn.zoo.text;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Checks a part of a tokenizer that is made of steps: every step has a known type, and no field has
 * a value that makes the native library panic. The library also takes steps for what their fields
 * look like, so fields are checked whatever the type is.
 */
final class PartCheck {
    static final PartCheck NORMALIZER =
            new PartCheck(
                    Map.of(
                            "precompiled_charsmap", PartCheck::charsMap,
                            "pattern", PartCheck::pattern),
                    "BertNormalizer",
                    "Bert",
                    "Strip",
                    "StripAccents",
                    "NFC",
                    "NFD",
                    "NFKC",
                    "NFKD",
                    "Sequence",
                    "Lowercase",
                    "Nmt",
                    "Precompiled",
                    "Replace",
                    "Prepend",
                    "ByteLevel");

    static final PartCheck PRE_TOKENIZER =
            new PartCheck(
                    Map.of("length", PartCheck::positive, "pattern", PartCheck::pattern),
                    "BertPreTokenizer",
                    "ByteLevel",
                    "CharDelimiterSplit",
                    "Delimiter",
                    "Metaspace",
                    "Whitespace",
                    "Sequence",
                    "Split",
                    "Punctuation",
                    "WhitespaceSplit",
                    "Digits",
                    "UnicodeScripts",
                    "FixedLength");

    static final PartCheck DECODER =
            new PartCheck(
                    Map.of("stop", PartCheck::zero, "pattern", PartCheck::pattern),
                    "BPEDecoder",
                    "ByteLevel",
                    "WordPiece",
                    "Metaspace",
                    "CTC",
                    "Sequence",
                    "Replace",
                    "Fuse",
                    "Strip",
                    "ByteFallback");

    static final PartCheck POST_PROCESSOR =
            new PartCheck(
                    Map.of("single", PartCheck::template),
                    "RobertaProcessing",
                    "BertProcessing",
                    "ByteLevel",
                    "TemplateProcessing",
                    "Sequence");

    /** Steps, those in sequences included. */
    private static final int MAX_STEPS = 64;

    /** How many times as long the steps may make a text. */
    private static final double MAX_GROWTH = 1000;

    private static final int MAX_STRING = 4096;

    /** Where the kinds of parts keep the steps of a sequence. */
    private static final List<String> SEQUENCES =
            List.of("normalizers", "pretokenizers", "decoders", "processors");

    private static final String TYPE = "type";
    private static final String CONTENT = "content";
    private static final String CHARS_MAP = "precompiled_charsmap";

    private final Map<String, FieldCheck> fields;
    private final Set<String> types;

    private PartCheck(Map<String, FieldCheck> fields, String... types) {
        this.fields = fields;
        this.types = Set.of(types);
    }

    /** Checks a field of a step. */
    @FunctionalInterface
    private interface FieldCheck {
        void check(String where, JsonObject step, JsonElement value) throws CheckpointException;
    }

    /**
     * Checks a part.
     *
     * @param where it stands: file and key
     * @param part a step, or null
     */
    void check(String where, JsonElement part) throws CheckpointException {
        if (part != null && !part.isJsonNull()) {
            Walk walk = new Walk(where);
            walk.step(part);
            if (walk.growth > MAX_GROWTH) {
                throw new CheckpointException(
                        where + ": its steps make texts more than " + MAX_GROWTH + " times longer");
            }
        }
    }

    /** One way through the steps of a part. */
    private final class Walk {

        private final String where;
        private int steps;
        private double growth = 1;

        Walk(String where) {
            this.where = where;
        }

        void step(JsonElement element) throws CheckpointException {
            if (!(element instanceof JsonObject step)) {
                throw new CheckpointException(where + ": expected an object, found " + element);
            }
            JsonElement type = step.get(TYPE);
            if (!AddedToken.isString(type) || !types.contains(type.getAsString())) {
                throw new CheckpointException(
                        where + ": key 'type': expected one of " + types + ", found " + type);
            }
            if (type.getAsString().equals("Precompiled") && !step.has(CHARS_MAP)) {
                throw new CheckpointException(where + ": key '" + CHARS_MAP + "' is missing");
            }
            if (++steps > MAX_STEPS) {
                throw new CheckpointException(where + ": expected at most " + MAX_STEPS + " steps");
            }
            growth *= growth(step, type.getAsString());
            for (var entry : step.entrySet()) {
                field(step, entry.getKey(), entry.getValue());
            }
        }

        private void field(JsonObject step, String key, JsonElement value)
                throws CheckpointException {
            String at = where + ": key '" + key + "'";
            FieldCheck check = fields.get(key);
            if (check != null) {
                check.check(at, step, value);
            }
            boolean isLong =
                    AddedToken.isString(value)
                            && value.getAsString().length() > MAX_STRING
                            && !key.equals(CHARS_MAP);
            if (isLong) {
                throw new CheckpointException(
                        at + ": expected at most " + MAX_STRING + " characters");
            }
            if (SEQUENCES.contains(key) && value instanceof JsonArray list) {
                for (JsonElement item : list) {
                    step(item);
                }
            }
        }
    }

    /** The steps of a part that has been checked, in their order, without the sequences. */
    static List<JsonObject> steps(JsonElement part) {
        List<JsonObject> steps = new ArrayList<>();
        if (part instanceof JsonObject step) {
            addSteps(step, steps);
        }
        return steps;
    }

    private static void addSteps(JsonObject step, List<JsonObject> steps) {
        boolean isSequence = false;
        for (String key : SEQUENCES) {
            if (step.get(key) instanceof JsonArray list) {
                isSequence = true;
                list.forEach(item -> addSteps(item.getAsJsonObject(), steps));
            }
        }
        if (!isSequence) {
            steps.add(step);
        }
    }

    private static double growth(JsonObject step, String type) {
        if (type.equals("ByteLevel")) {
            return 2;
        }
        JsonElement content = step.get(CONTENT);
        if (!step.has("pattern") || !AddedToken.isString(content)) {
            return 1;
        }
        double length = content.getAsString().length();
        boolean isText =
                step.get("pattern") instanceof JsonObject pattern
                        && AddedToken.isString(pattern.get("String"))
                        && !pattern.get("String").getAsString().isEmpty();
        return isText
                ? Math.max(
                        1,
                        length
                                / step.getAsJsonObject("pattern")
                                        .get("String")
                                        .getAsString()
                                        .length())
                : 1 + length;
    }

    private static void pattern(String where, JsonObject step, JsonElement pattern)
            throws CheckpointException {
        if (pattern instanceof JsonObject object && AddedToken.isString(object.get("Regex"))) {
            RegexCheck.check(where, object.get("Regex").getAsString());
        }
    }

    private static void charsMap(String where, JsonObject step, JsonElement map)
            throws CheckpointException {
        step.addProperty(CHARS_MAP, CharsMap.checked(where, map));
    }

    private static void positive(String where, JsonObject step, JsonElement value)
            throws CheckpointException {
        if (!isNumber(value) || value.getAsDouble() < 1) {
            throw new CheckpointException(where + ": expected a positive integer, found " + value);
        }
    }

    /** The native decoder takes more characters from a short token than it has. */
    private static void zero(String where, JsonObject step, JsonElement value)
            throws CheckpointException {
        if (!isNumber(value) || value.getAsDouble() != 0) {
            throw new CheckpointException(
                    where
                            + ": expected 0, found "
                            + value
                            + "; decoders that strip the ends of"
                            + " tokens are not supported");
        }
    }

    private static boolean isNumber(JsonElement value) {
        return value instanceof JsonPrimitive primitive && primitive.isNumber();
    }

    /** A template for one text names it, and special tokens that it describes. */
    private static void template(String where, JsonObject step, JsonElement template)
            throws CheckpointException {
        if (!(template instanceof JsonArray pieces)) {
            throw new CheckpointException(where + ": expected a list, found " + template);
        }
        if (!(step.get("special_tokens") instanceof JsonObject tokens)) {
            throw new CheckpointException(
                    where + ": expected an object 'special_tokens' beside it");
        }
        for (JsonElement piece : pieces) {
            boolean isKnown =
                    "A".equals(id(piece, "Sequence"))
                            || (id(piece, "SpecialToken") != null
                                    && isToken(tokens.get(id(piece, "SpecialToken"))));
            if (!isKnown) {
                throw new CheckpointException(
                        where
                                + ": expected Sequence A, or a SpecialToken that special_tokens"
                                + " gives as many ids as tokens, found "
                                + piece);
            }
        }
    }

    private static String id(JsonElement piece, String kind) {
        boolean isKind =
                piece instanceof JsonObject object
                        && object.size() == 1
                        && object.get(kind) instanceof JsonObject inner
                        && AddedToken.isString(inner.get("id"));
        return isKind
                ? piece.getAsJsonObject().getAsJsonObject(kind).get("id").getAsString()
                : null;
    }

    private static boolean isToken(JsonElement token) {
        return token instanceof JsonObject object
                && object.get("ids") instanceof JsonArray ids
                && object.get("tokens") instanceof JsonArray tokens
                && ids.size() == tokens.size();
    }
}

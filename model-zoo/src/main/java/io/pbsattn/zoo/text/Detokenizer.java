package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.EOFException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
    private final List<JsonObject> steps = new ArrayList<>();
    private final boolean isLocal;

    private Detokenizer(Function<long[], String> decoder, JsonReader json) throws IOException {
        this.decoder = decoder;
        read(json);
        isLocal = isLocal(steps);
        if (steps.stream().noneMatch(step -> is(step, "ByteFallback"))) {
            byteIds.clear();
        }
    }

    /**
     * Reads what the file of a tokenizer says about its decoder.
     *
     * @param decoder gives the text of ids without special tokens, by the tokenizer of that file
     * @param file tokenizer.json
     */
    static Detokenizer open(Function<long[], String> decoder, Path file)
            throws IOException, CheckpointException {
        try (JsonReader json = new JsonReader(Files.newBufferedReader(file))) {
            return new Detokenizer(decoder, json);
        } catch (EOFException
                | MalformedJsonException
                | JsonParseException
                | IllegalStateException e) {
            throw new CheckpointException(file + ": not a tokenizer: " + e.getMessage(), e);
        }
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

    /** Reads the decoder and the vocabulary; the rest, which can be large, is passed over. */
    private void read(JsonReader json) throws IOException {
        json.beginObject();
        while (json.hasNext()) {
            switch (json.nextName()) {
                case "decoder" -> addSteps(JsonParser.parseReader(json));
                case "model" -> readModel(json);
                default -> json.skipValue();
            }
        }
        json.endObject();
    }

    private void addSteps(JsonElement decoder) {
        if (decoder.isJsonObject()) {
            JsonObject object = decoder.getAsJsonObject();
            if (object.has("decoders")) {
                object.getAsJsonArray("decoders").forEach(this::addSteps);
            } else {
                steps.add(object);
            }
        }
    }

    private void readModel(JsonReader json) throws IOException {
        json.beginObject();
        while (json.hasNext()) {
            if (!"vocab".equals(json.nextName())) {
                json.skipValue();
            } else if (json.peek() == JsonToken.BEGIN_ARRAY) {
                readPieces(json);
            } else {
                json.beginObject();
                while (json.hasNext()) {
                    addByte(json.nextName(), json.nextLong());
                }
                json.endObject();
            }
        }
        json.endObject();
    }

    /** A list of (token, score), whose ids are their indexes. */
    private void readPieces(JsonReader json) throws IOException {
        json.beginArray();
        for (long id = 0; json.hasNext(); ++id) {
            json.beginArray();
            addByte(json.nextString(), id);
            json.skipValue();
            json.endArray();
        }
        json.endArray();
    }

    private void addByte(String token, long id) {
        if (BYTE.matcher(token).matches()) {
            byteIds.add(id);
        }
    }

    private static boolean isLocal(List<JsonObject> steps) {
        boolean isFused = false;
        for (JsonObject step : steps) {
            boolean isKnown = LOCAL.stream().anyMatch(type -> is(step, type));
            boolean stripsBeginning = is(step, "Strip") && step.get("stop").getAsInt() == 0;
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

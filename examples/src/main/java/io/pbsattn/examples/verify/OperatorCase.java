package io.pbsattn.examples.verify;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.pbsattn.PbsConfig;
import io.pbsattn.examples.model.TextFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * One entry of {@code cases.json}: the settings of a call whose arrays stand in {@code NAME.npz}.
 *
 * @param name the case's name
 * @param config the settings
 * @param density share of the causal blocks that are kept, to four digits; may be left out
 */
public record OperatorCase(String name, PbsConfig config, OptionalDouble density) {

    public static List<OperatorCase> readAll(Path folder) throws IOException {
        Path file = folder.resolve("cases.json");
        String text = TextFile.read(file);
        List<OperatorCase> cases = new ArrayList<>();
        try {
            for (JsonElement element : JsonParser.parseString(text).getAsJsonArray()) {
                cases.add(read(element.getAsJsonObject()));
            }
        } catch (JsonParseException | IllegalStateException | IllegalArgumentException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
        return cases;
    }

    private static OperatorCase read(JsonObject json) {
        PbsConfig.Builder config =
                PbsConfig.builder()
                        .optBlockSize(required(json, "block_size").getAsInt())
                        .optSegmentSize(required(json, "segment_size").getAsInt())
                        .optThreshold(required(json, "threshold").getAsString())
                        .optForceFirstBlock(required(json, "force_first_block").getAsBoolean())
                        .optMinLength(0);
        OptionalDouble density =
                json.has("density")
                        ? OptionalDouble.of(required(json, "density").getAsDouble())
                        : OptionalDouble.empty();
        return new OperatorCase(required(json, "name").getAsString(), config.build(), density);
    }

    private static JsonElement required(JsonObject json, String key) {
        JsonElement value = json.get(key);
        if (value == null || !value.isJsonPrimitive()) {
            throw new IllegalArgumentException(
                    "key '" + key + "': expected a value, found " + value + " in " + json);
        }
        return value;
    }
}

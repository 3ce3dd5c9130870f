package io.pbsattn.examples;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.pbsattn.PbsConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One entry of {@code cases.json}: the settings of a call whose arrays stand in {@code NAME.npz}.
 *
 * @param name the case's name
 * @param config the settings
 */
record OperatorCase(String name, PbsConfig config) {

    static List<OperatorCase> readAll(Path folder) throws IOException {
        Path file = folder.resolve("cases.json");
        if (!Files.isRegularFile(file)) {
            throw new IOException(file + ": no such file");
        }
        List<OperatorCase> cases = new ArrayList<>();
        try {
            for (JsonElement element :
                    JsonParser.parseString(Files.readString(file)).getAsJsonArray()) {
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
                        .optForceFirstBlock(required(json, "force_first_block").getAsBoolean());
        return new OperatorCase(required(json, "name").getAsString(), config.build());
    }

    private static JsonElement required(JsonObject json, String key) {
        if (!json.has(key)) {
            throw new IllegalArgumentException("key '" + key + "' is missing in " + json);
        }
        return json.get(key);
    }
}

package io.pbsattn;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.util.JsonUtils;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * One case of the golden data: inputs of an attention call and every intermediate, computed in
 * float64.
 */
final class GoldenCase {

    private static final String FOLDER = "/golden/operator/";

    private final JsonObject description;

    private GoldenCase(JsonObject description) {
        this.description = description;
    }

    static List<GoldenCase> all() throws IOException {
        List<GoldenCase> cases = new ArrayList<>();
        try (InputStreamReader in =
                new InputStreamReader(open("cases.json"), StandardCharsets.UTF_8)) {
            for (JsonElement element :
                    JsonUtils.GSON.fromJson(in, JsonElement.class).getAsJsonArray()) {
                cases.add(new GoldenCase(element.getAsJsonObject()));
            }
        }
        return cases;
    }

    PbsConfig config() {
        return PbsConfig.builder()
                .optBlockSize(description.get("block_size").getAsInt())
                .optSegmentSize(description.get("segment_size").getAsInt())
                .optThreshold(description.get("threshold").getAsDouble())
                .optForceFirstBlock(description.get("force_first_block").getAsBoolean())
                .optMinLength(0)
                .build();
    }

    double density() {
        return description.get("density").getAsDouble();
    }

    NDList arrays(NDManager manager) throws IOException {
        try (InputStream in = open(this + ".npz")) {
            return NDList.decode(manager, in);
        }
    }

    static NDArray named(NDList arrays, String name) {
        return arrays.stream().filter(a -> name.equals(a.getName())).findFirst().orElseThrow();
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return description.get("name").getAsString();
    }

    private static InputStream open(String name) {
        return GoldenCase.class.getResourceAsStream(FOLDER + name);
    }
}

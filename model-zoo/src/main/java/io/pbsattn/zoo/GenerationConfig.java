package io.pbsattn.zoo;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * When generation ends, from {@code generation_config.json} or else {@code config.json}. Decoding
 * is greedy: settings of sampling are not read.
 *
 * @param eosTokenIds ids that end an answer
 * @param maxNewTokens the most tokens of an answer
 */
public record GenerationConfig(Set<Long> eosTokenIds, int maxNewTokens) {

    private static final int DEFAULT_MAX_NEW_TOKENS = 256;

    /**
     * Reads a model's folder.
     *
     * @param folder holds config.json and perhaps generation_config.json
     * @return the configuration
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if a value is not what it should be; names file and key
     */
    public static GenerationConfig read(Path folder) throws IOException, CheckpointException {
        Path file = folder.resolve("generation_config.json");
        JsonFile config = JsonFile.read(folder.resolve("config.json"));
        JsonFile generation = Files.exists(file) ? JsonFile.read(file) : config;
        Set<Long> eos = eosTokenIds(generation);
        return new GenerationConfig(
                eos.isEmpty() ? eosTokenIds(config) : eos,
                generation.positive("max_new_tokens", DEFAULT_MAX_NEW_TOKENS));
    }

    private static Set<Long> eosTokenIds(JsonFile json) throws CheckpointException {
        String key = "eos_token_id";
        Set<Long> ids = new LinkedHashSet<>();
        if (json.has(key)) {
            JsonElement element = json.get(key);
            JsonArray list = new JsonArray();
            if (element.isJsonArray()) {
                list = element.getAsJsonArray();
            } else {
                list.add(element);
            }
            try {
                list.forEach(id -> ids.add(id.getAsLong()));
            } catch (RuntimeException e) {
                throw new CheckpointException(
                        json.wrong(key, "an id or a list of ids").getMessage(), e);
            }
        }
        return ids;
    }
}

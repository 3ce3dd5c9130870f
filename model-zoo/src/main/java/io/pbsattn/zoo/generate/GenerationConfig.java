package io.pbsattn.zoo.generate;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * What a model's folder says about generation, in {@code generation_config.json} or else {@code
 * config.json}: end tokens, the longest answer, and how tokens are chosen. {@link
 * GenerationOptions} go before it.
 */
public final class GenerationConfig {

    private static final int DEFAULT_MAX_NEW_TOKENS = 256;

    private static final String MAX_LENGTH = "max_length";
    private static final String DO_SAMPLE = "do_sample";
    private static final String TEMPERATURE = "temperature";

    /** The keys that {@link GenerationOptions} know and transformers writes. */
    private static final List<String> NUMBERS =
            List.of("max_new_tokens", TEMPERATURE, "top_k", "top_p", "min_p", "repetition_penalty");

    private final Set<Long> eosTokenIds;
    private final int maxLength;
    private final GenerationOptions defaults;

    private GenerationConfig(Set<Long> eosTokenIds, int maxLength, GenerationOptions defaults) {
        this.eosTokenIds = Collections.unmodifiableSet(eosTokenIds);
        this.maxLength = maxLength;
        this.defaults = defaults;
    }

    /**
     * Reads a model's folder.
     *
     * @param folder holds config.json and perhaps generation_config.json
     * @return the configuration
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if a value is not what it should be; names file and key
     */
    public static GenerationConfig read(Path folder) throws IOException, CheckpointException {
        Path configFile = folder.resolve("config.json");
        Path ownFile = folder.resolve("generation_config.json");
        Path file = Files.exists(ownFile) ? ownFile : configFile;
        JsonFile config = JsonFile.read(configFile);
        JsonFile generation = JsonFile.read(file);
        Set<Long> eos = eosTokenIds(generation);
        return new GenerationConfig(
                eos.isEmpty() ? eosTokenIds(config) : eos,
                generation.positive(MAX_LENGTH, 0),
                defaults(generation, file));
    }

    /**
     * Returns the ids that end an answer.
     *
     * @return the ids, perhaps none
     */
    public Set<Long> eosTokenIds() {
        return eosTokenIds;
    }

    /** What stands in for options that are not set. */
    GenerationOptions defaults() {
        return defaults;
    }

    /**
     * Returns the most tokens of an answer: {@code max_new_tokens}, or what the prompt leaves of
     * {@code max_length}, or 256.
     *
     * @param promptTokens tokens of the prompt
     * @return tokens, at least 1
     * @throws IllegalArgumentException if the prompt leaves nothing of {@code max_length}
     */
    public int maxNewTokens(int promptTokens) {
        if (defaults.maxNewTokens() != null) {
            return defaults.maxNewTokens();
        }
        if (maxLength == 0) {
            return DEFAULT_MAX_NEW_TOKENS;
        }
        if (promptTokens >= maxLength) {
            throw new IllegalArgumentException(
                    "max_length: the prompt has "
                            + promptTokens
                            + " tokens, the model's generation configuration allows "
                            + maxLength
                            + " with the answer; max_new_tokens goes before it");
        }
        return maxLength - promptTokens;
    }

    private static GenerationOptions defaults(JsonFile json, Path file) throws CheckpointException {
        GenerationOptions options = new GenerationOptions();
        boolean samples = json.flag(DO_SAMPLE);
        if (json.has(DO_SAMPLE)) {
            options.optDoSample(samples);
        }
        for (String key : NUMBERS) {
            if (json.has(key)) {
                try {
                    options.set(key, json.number(key));
                } catch (IllegalArgumentException e) {
                    throw new CheckpointException(file + ": " + e.getMessage(), e);
                }
            }
        }
        if (samples && json.has(TEMPERATURE) && json.number(TEMPERATURE) == 0) {
            throw json.wrong(TEMPERATURE, "a number above 0, because do_sample is true");
        }
        return options;
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
            for (JsonElement id : list) {
                ids.add(id(json, key, id));
            }
        }
        return ids;
    }

    private static long id(JsonFile json, String key, JsonElement element)
            throws CheckpointException {
        String expected = "an id or a list of ids";
        try {
            long id = element.getAsBigDecimal().longValueExact();
            if (id >= 0) {
                return id;
            }
        } catch (RuntimeException e) {
            throw new CheckpointException(json.wrong(key, expected).getMessage(), e);
        }
        throw json.wrong(key, expected);
    }
}

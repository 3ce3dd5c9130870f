package io.pbsattn.zoo.generate;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import io.pbsattn.zoo.model.FamilyDefaults;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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

    private static final String EOS = "eos_token_id";

    /** The keys that {@link GenerationOptions} know and transformers writes. */
    private static final List<String> ALWAYS = List.of("max_new_tokens", "repetition_penalty");

    /** Those of them that say how to sample. */
    private static final List<String> SAMPLING = List.of(TEMPERATURE, "top_k", "top_p", "min_p");

    private static final Logger logger = LoggerFactory.getLogger(GenerationConfig.class);

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
        if (eos.isEmpty()) {
            eos = file.equals(configFile) ? defaultEosTokenIds(config) : eosTokenIds(config);
        }
        return new GenerationConfig(
                eos, generation.positive(MAX_LENGTH, 0), defaults(generation, file));
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
        for (String key : ALWAYS) {
            set(options, key, json, file);
        }
        for (String key : SAMPLING) {
            // What only sampling reads may be any number where nothing is sampled.
            if (samples || isInRange(key, json)) {
                set(options, key, json, file);
            }
        }
        if (samples && json.has(TEMPERATURE) && json.number(TEMPERATURE) == 0) {
            throw json.wrong(TEMPERATURE, "a number above 0, because do_sample is true");
        }
        return options;
    }

    private static void set(GenerationOptions options, String key, JsonFile json, Path file)
            throws CheckpointException {
        if (json.has(key)) {
            try {
                options.set(key, json.number(key));
            } catch (IllegalArgumentException e) {
                throw new CheckpointException(file + ": " + e.getMessage(), e);
            }
        }
    }

    private static boolean isInRange(String key, JsonFile json) throws CheckpointException {
        Object value = json.has(key) ? json.number(key) : null;
        try {
            new GenerationOptions().set(key, value);
            return true;
        } catch (IllegalArgumentException e) {
            logger.debug("not used, since nothing is sampled: {}", e.getMessage());
            return false;
        }
    }

    /** Negative ids stand for none, as in the first conversions of Llama. */
    private static Set<Long> eosTokenIds(JsonFile json) throws CheckpointException {
        Set<Long> ids = new LinkedHashSet<>();
        if (json.has(EOS)) {
            JsonElement element = json.get(EOS);
            JsonArray list = new JsonArray();
            if (element.isJsonArray()) {
                list = element.getAsJsonArray();
            } else {
                list.add(element);
            }
            for (JsonElement id : list) {
                ids.add(id(json, EOS, id));
            }
        }
        ids.removeIf(id -> id < 0);
        return ids;
    }

    /** What is meant where no file says a word about it. */
    private static Set<Long> defaultEosTokenIds(JsonFile config) throws CheckpointException {
        Set<Long> ids = new LinkedHashSet<>();
        if (!config.states(EOS) && config.has("model_type")) {
            FamilyDefaults.eosTokenId(config).ifPresent(ids::add);
        }
        return ids;
    }

    private static long id(JsonFile json, String key, JsonElement element)
            throws CheckpointException {
        try {
            return element.getAsBigDecimal().longValueExact();
        } catch (RuntimeException e) {
            throw new CheckpointException(
                    json.wrong(key, "an id or a list of ids").getMessage(), e);
        }
    }
}

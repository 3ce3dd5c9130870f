package io.pbsattn.zoo.model;

import io.pbsattn.PbsConfig;
import io.pbsattn.torch.TorchType;
import io.pbsattn.util.DjlArguments;
import io.pbsattn.util.NearestName;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * How a model is to be run. As DJL arguments, or in {@code serving.properties}:
 *
 * <ul>
 *   <li>{@code attention}: {@code pbs} (default) or {@code dense}
 *   <li>{@code attention.threshold}: 0 to 1 or {@code all}; {@code attention.block_size}, {@code
 *       attention.segment_size}: tokens; {@code attention.min_length}: tokens from which on blocks
 *       are skipped
 *   <li>{@code attention.layers}: layers that keep every block, by index from 0: {@code 0,1,30-31}
 *   <li>{@code attention.backend}: {@code cpu} or {@code reference}; default: the best that runs
 *   <li>{@code rope.rounded_frequencies}: {@code true} rounds the rotary frequencies to the type
 *       that the weights are stored in, as happens where a whole model was cast to it; default
 *       {@code false}, as transformers loads models
 *   <li>{@code context_limit}: the most tokens of a sequence, prompt and answer together; default:
 *       what the model was made for. The KV cache takes memory for what it holds, not for the limit
 *   <li>{@code max_batch}: the most sequences that are decoded together where several are to be
 *       answered, at least 1, default 8; each has a KV cache of its own
 *   <li>{@code dtype}: {@code float32} or {@code bfloat16}, in which the model computes; default:
 *       bfloat16 for weights stored in it where the CPU multiplies it, else float32
 * </ul>
 */
public final class ModelOptions {

    private static final int DEFAULT_MAX_BATCH = 8;

    /** What each argument sets, but for those of {@link PbsConfig#argumentNames}. */
    private static final Map<String, BiConsumer<ModelOptions, String>> SETTERS = setters();

    /** The names that {@link #of} knows. */
    public static final Set<String> KEYS = keys();

    private AttentionKind attention = AttentionKind.PBS;
    private LayerRanges denseLayers = LayerRanges.NONE;
    private PbsConfig pbsConfig = PbsConfig.DEFAULT;
    private String backend;
    private TorchType dtype;
    private int contextLimit = Integer.MAX_VALUE;
    private int maxBatch = DEFAULT_MAX_BATCH;
    private boolean roundedFrequencies;

    /** Constructs the default options. */
    public ModelOptions() {}

    private static Map<String, BiConsumer<ModelOptions, String>> setters() {
        Map<String, BiConsumer<ModelOptions, String>> setters = new LinkedHashMap<>();
        setters.put("attention", (o, value) -> o.optAttention(AttentionKind.parse(value)));
        setters.put(LayerRanges.OPTION, ModelOptions::optDenseLayers);
        setters.put("attention.backend", ModelOptions::optBackend);
        setters.put(
                "context_limit",
                (o, value) ->
                        o.optContextLimit(
                                DjlArguments.integer(
                                        "context_limit", "a number of tokens", value)));
        setters.put(
                "max_batch",
                (o, value) ->
                        o.optMaxBatch(
                                DjlArguments.integer("max_batch", "a number of sequences", value)));
        String rounded = "rope.rounded_frequencies";
        setters.put(
                rounded, (o, value) -> o.optRoundedFrequencies(DjlArguments.flag(rounded, value)));
        setters.put("dtype", (o, value) -> o.optDtype(TorchType.parse(value)));
        return setters;
    }

    private static Set<String> keys() {
        Set<String> keys = new LinkedHashSet<>(SETTERS.keySet());
        keys.addAll(PbsConfig.argumentNames());
        return Collections.unmodifiableSet(keys);
    }

    /**
     * Reads options from DJL's arguments; keys that are not ours are left alone.
     *
     * @param arguments names to values
     * @return the options
     * @throws IllegalArgumentException naming the key and what was expected; for a key that is like
     *     one of ours, such as {@code attenton}, the nearest name
     */
    public static ModelOptions of(Map<String, ?> arguments) {
        ModelOptions options = new ModelOptions();
        PbsConfig.Builder config = PbsConfig.builder();
        for (Map.Entry<String, ?> entry : arguments.entrySet()) {
            String key = entry.getKey();
            String value = String.valueOf(entry.getValue());
            if (SETTERS.containsKey(key)) {
                SETTERS.get(key).accept(options, value);
            } else if (!config.optArgument(key, value)) {
                NearestName.refuseIfLikeOurs(key, KEYS);
            }
        }
        options.pbsConfig = config.build();
        return options;
    }

    /**
     * Returns the attention of the prefill.
     *
     * @return the kind
     */
    public AttentionKind attention() {
        return attention;
    }

    /**
     * Sets the attention of the prefill.
     *
     * @param kind the kind
     * @return these options
     */
    public ModelOptions optAttention(AttentionKind kind) {
        attention = kind;
        return this;
    }

    /**
     * Returns the layers that keep every block.
     *
     * @return some of the model's layers, or none
     */
    public LayerRanges denseLayers() {
        return denseLayers;
    }

    /**
     * Sets the layers that keep every block, whatever the settings of sparse attention.
     *
     * @param layers indexes from 0 and ranges of them, like {@code 0,1,30-31}
     * @return these options
     * @throws IllegalArgumentException if the text is something else
     */
    public ModelOptions optDenseLayers(String layers) {
        return optDenseLayers(LayerRanges.parse(LayerRanges.OPTION, layers));
    }

    /**
     * Sets the layers that keep every block, whatever the settings of sparse attention.
     *
     * @param layers some of the model's layers
     * @return these options
     */
    public ModelOptions optDenseLayers(LayerRanges layers) {
        denseLayers = layers;
        return this;
    }

    /**
     * Returns the settings of sparse attention.
     *
     * @return the configuration
     */
    public PbsConfig pbsConfig() {
        return pbsConfig;
    }

    /**
     * Sets the settings of sparse attention.
     *
     * @param config the configuration
     * @return these options
     */
    public ModelOptions optPbsConfig(PbsConfig config) {
        pbsConfig = config;
        return this;
    }

    /**
     * Returns the backend that is forced.
     *
     * @return its name; null for the best that runs
     */
    public String backend() {
        return backend;
    }

    /**
     * Forces a backend.
     *
     * @param name its name; null for the best that runs
     * @return these options
     */
    public ModelOptions optBackend(String name) {
        backend = name;
        return this;
    }

    /**
     * Returns the type that the model is to compute in.
     *
     * @return float32 or bfloat16; null for what {@link io.pbsattn.layer.LayerOps#bestType} says
     */
    public TorchType dtype() {
        return dtype;
    }

    /**
     * Sets the type that the model computes in.
     *
     * @param type float32 or bfloat16; null for what {@link io.pbsattn.layer.LayerOps#bestType}
     *     says
     * @return these options
     * @throws IllegalArgumentException if it is another type
     */
    public ModelOptions optDtype(TorchType type) {
        if (type != null && type != TorchType.FLOAT32 && type != TorchType.BFLOAT16) {
            throw new IllegalArgumentException(
                    "dtype: models compute in float32 or bfloat16, found '" + type + "'");
        }
        dtype = type;
        return this;
    }

    /**
     * Returns the most tokens of a sequence.
     *
     * @return the limit; the model's own holds besides
     */
    public int contextLimit() {
        return contextLimit;
    }

    /**
     * Limits the tokens of a sequence, prompt and answer together.
     *
     * @param limit at least 2 tokens; the model's own limit holds besides
     * @return these options
     * @throws IllegalArgumentException if it is less
     */
    public ModelOptions optContextLimit(int limit) {
        if (limit < 2) {
            throw new IllegalArgumentException(
                    "context_limit: expected at least 2 tokens, found " + limit);
        }
        contextLimit = limit;
        return this;
    }

    /**
     * Returns the most sequences that are decoded together.
     *
     * @return at least 1
     */
    public int maxBatch() {
        return maxBatch;
    }

    /**
     * Limits the sequences that are decoded together where several are to be answered. A step reads
     * the weights once for all of them; each has a KV cache of its own.
     *
     * @param sequences at least 1, which is one after another
     * @return these options
     * @throws IllegalArgumentException if it is less
     */
    public ModelOptions optMaxBatch(int sequences) {
        if (sequences < 1) {
            throw new IllegalArgumentException(
                    "max_batch: expected at least 1 sequence, found " + sequences);
        }
        maxBatch = sequences;
        return this;
    }

    /**
     * Tells whether the rotary frequencies are rounded to the type that the weights are stored in.
     *
     * @return false unless it was asked for
     */
    public boolean roundedFrequencies() {
        return roundedFrequencies;
    }

    /**
     * Rounds the rotary frequencies to the type that the weights are stored in.
     *
     * @param rounded true to agree with a model that was cast as a whole
     * @return these options
     */
    public ModelOptions optRoundedFrequencies(boolean rounded) {
        roundedFrequencies = rounded;
        return this;
    }
}

package io.pbsattn.zoo.model;

import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The families of models that one decoder runs, and what their {@code config.json} means: which
 * keys say what, and what is meant where a key is missing. Everything else is the same for all of
 * them, and stands in {@link DecoderConfig}.
 */
enum ModelFamily {
    LLAMA,
    MISTRAL,
    MINISTRAL,
    QWEN2,
    QWEN3,
    PHI3;

    private static final int DEFAULT_WINDOW = 4096;
    private static final int DEFAULT_FULL_LAYERS = 28;

    private static final String WINDOW = "sliding_window";
    private static final String LAYER_TYPES = "layer_types";

    /**
     * What a missing key means, as in transformers.
     *
     * @param vocabSize tokens
     * @param hiddenSize width of the residual stream
     * @param intermediateSize width inside the feed-forward network
     * @param maxPositions tokens of the longest sequence
     * @param eosTokenId the token that ends an answer, or {@link #NONE}
     */
    record Defaults(
            int vocabSize,
            int hiddenSize,
            int intermediateSize,
            int maxPositions,
            long eosTokenId) {

        static final long NONE = -1;

        /** The same for all families: decoder layers and query heads. */
        static final int LAYERS = 32;

        static final int Q_HEADS = 32;
    }

    Defaults defaults() {
        return switch (this) {
            case LLAMA -> new Defaults(32_000, 4096, 11_008, 2048, 2);
            case MISTRAL, MINISTRAL -> new Defaults(32_000, 4096, 14_336, 131_072, 2);
            case QWEN2, QWEN3 -> new Defaults(151_936, 4096, 22_016, 32_768, Defaults.NONE);
            case PHI3 -> new Defaults(32_064, 3072, 8192, 4096, 32_000);
        };
    }

    /**
     * Reads the family of a model.
     *
     * @param config a model's configuration
     * @return the family
     * @throws CheckpointException if it is missing or not known
     */
    static ModelFamily of(JsonFile config) throws CheckpointException {
        String type = config.string("model_type");
        for (ModelFamily family : values()) {
            if (family.toString().equals(type)) {
                return family;
            }
        }
        String known =
                Stream.of(values()).map(ModelFamily::toString).collect(Collectors.joining(", "));
        throw config.wrong("model_type", "one of " + known);
    }

    /** Whether and where the projections have biases, and how their weights are stored. */
    Projections projections(JsonFile config) throws CheckpointException {
        return switch (this) {
            case LLAMA ->
                    new Projections(
                            config.flag("attention_bias"),
                            config.flag("attention_bias"),
                            config.flag("mlp_bias"),
                            false,
                            false);
            case MISTRAL, MINISTRAL -> new Projections(false, false, false, false, false);
            case QWEN2 -> new Projections(true, false, false, false, false);
            case QWEN3 ->
                    new Projections(
                            config.flag("attention_bias"),
                            config.flag("attention_bias"),
                            false,
                            true,
                            false);
            case PHI3 -> new Projections(false, false, false, false, true);
        };
    }

    /** The keys that a query sees in each layer; 0 for all up to its own. */
    List<Integer> windows(JsonFile config, int layers) throws CheckpointException {
        return switch (this) {
            case LLAMA -> Collections.nCopies(layers, 0);
            case PHI3 -> Collections.nCopies(layers, config.positive(WINDOW, 0));
            case MISTRAL -> Collections.nCopies(layers, statedWindow(config));
            case MINISTRAL -> byLayerType(config, layers, statedWindow(config), 0);
            case QWEN2, QWEN3 ->
                    byLayerType(
                            config,
                            layers,
                            config.flag("use_sliding_window") ? statedWindow(config) : 0,
                            config.count("max_window_layers", DEFAULT_FULL_LAYERS));
        };
    }

    int numKvHeads(JsonFile config, int numQHeads) throws CheckpointException {
        String key = "num_key_value_heads";
        if (config.states(key)) {
            return config.positive(key, numQHeads);
        }
        return switch (this) {
            case LLAMA, PHI3 -> numQHeads;
            case MISTRAL, MINISTRAL -> 8;
            case QWEN2, QWEN3 -> 32;
        };
    }

    /** Width of a head where the configuration does not state it. */
    int defaultHeadDim(JsonFile config, int hiddenSize, int numQHeads) throws CheckpointException {
        if (this == QWEN3) {
            return 128;
        }
        if (hiddenSize % numQHeads != 0) {
            throw config.wrong("hidden_size", "a multiple of num_attention_heads " + numQHeads);
        }
        return hiddenSize / numQHeads;
    }

    double defaultRmsNormEps() {
        return this == PHI3 ? 1e-5 : 1e-6;
    }

    /** Whether it may be that only the first elements of each head rotate. */
    boolean hasPartialRotary() {
        return this == PHI3;
    }

    /** Whether longrope has been called su or yarn. */
    boolean namesLongropeOtherwise() {
        return this == PHI3;
    }

    /** A missing window is the default one; null means that there is none. */
    private static int statedWindow(JsonFile config) throws CheckpointException {
        return config.states(WINDOW) ? config.positive(WINDOW, 0) : DEFAULT_WINDOW;
    }

    /** By layer_types, which transformers 5 writes; without them the first layers are full. */
    private static List<Integer> byLayerType(
            JsonFile config, int layers, int window, int fullLayers) throws CheckpointException {
        if (!config.has(LAYER_TYPES)) {
            return IntStream.range(0, layers).mapToObj(l -> l < fullLayers ? 0 : window).toList();
        }
        List<String> types = config.strings(LAYER_TYPES);
        boolean known =
                types.size() == layers
                        && types.stream()
                                .allMatch(
                                        t ->
                                                "full_attention".equals(t)
                                                        || ("sliding_attention".equals(t)
                                                                && window > 0));
        if (!known) {
            throw config.wrong(
                    LAYER_TYPES,
                    layers
                            + " times full_attention"
                            + (window > 0
                                    ? " or sliding_attention"
                                    : ", since no sliding window is in use"));
        }
        return types.stream().map(t -> "full_attention".equals(t) ? 0 : window).toList();
    }

    /** The name as {@code model_type} has it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The projections of a layer.
     *
     * @param qkvBias whether those to queries, keys and values have biases
     * @param outputBias whether attention's output projection has one
     * @param mlpBias whether those of the feed-forward network have biases
     * @param qkNorm whether queries and keys are normalised, head by head, before they rotate
     * @param fused whether the checkpoint has queries, keys and values in one weight, and gate and
     *     up too
     */
    record Projections(
            boolean qkvBias, boolean outputBias, boolean mlpBias, boolean qkNorm, boolean fused) {}
}

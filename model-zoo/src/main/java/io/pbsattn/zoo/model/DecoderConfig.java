package io.pbsattn.zoo.model;

import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a decoder model's {@code config.json} says, checked: what differs between the models that
 * one decoder runs.
 *
 * @param vocabSize tokens that the model knows
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward network
 * @param numLayers decoder layers
 * @param numQHeads query heads
 * @param numKvHeads key and value heads
 * @param headDim width of a head
 * @param rmsNormEps added to the mean square before the root is taken
 * @param projections biases, norms and form of the layers' projections
 * @param windows for each layer the keys that a query sees; 0 for all up to its own
 * @param tiedEmbeddings whether the output layer is the embedding table
 * @param rope the rotary position embedding
 * @param storedType the type that the weights are stored in, as far as the configuration says
 */
record DecoderConfig(
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int numLayers,
        int numQHeads,
        int numKvHeads,
        int headDim,
        double rmsNormEps,
        ModelFamily.Projections projections,
        List<Integer> windows,
        boolean tiedEmbeddings,
        RopeConfig rope,
        TorchType storedType) {

    /** Keys of things that change what a model computes, and that this decoder does not do. */
    private static final List<String> EXPERTS =
            List.of("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts");

    private static final List<String> SOFTCAPS =
            List.of("attn_logit_softcapping", "final_logit_softcapping", "logits_soft_cap");

    private static final List<String> QUANTIZED =
            List.of("quantization_config", "compression_config", "quantization");

    /** Two names of one function. */
    private static final Set<String> SILU = Set.of("silu", "swish");

    /** Other names that torch has for its types. */
    private static final Map<String, String> TORCH_NAMES =
            Map.of("float", "float32", "half", "float16");

    /** Larger than any model has, and small enough for products of two to fit into an int. */
    private static final int MAX_WIDTH = 1 << 22;

    private static final int MAX_VOCABULARY = 1 << 24;
    private static final int MAX_LAYERS = 10_000;
    private static final int MAX_HEADS = 1 << 14;
    private static final int MAX_HEAD_DIM = 1 << 14;

    private static final List<String> ACTIVATIONS = List.of("hidden_act", "hidden_activation");

    /** The width of a row's queries, of all heads. */
    int qWidth() {
        return numQHeads * headDim;
    }

    /** The factor on query-key products. */
    double softmaxScale() {
        return 1 / Math.sqrt(headDim);
    }

    static DecoderConfig read(Path folder) throws IOException, CheckpointException {
        JsonFile json = JsonFile.read(folder.resolve("config.json"));
        refuseUnsupported(json);
        ModelFamily family = ModelFamily.of(json);
        ModelFamily.Defaults defaults = family.defaults();
        int hiddenSize = json.positive("hidden_size", defaults.hiddenSize(), MAX_WIDTH);
        int numLayers = json.positive("num_hidden_layers", ModelFamily.Defaults.LAYERS, MAX_LAYERS);
        int numQHeads =
                json.positive("num_attention_heads", ModelFamily.Defaults.Q_HEADS, MAX_HEADS);
        int numKvHeads = family.numKvHeads(json, numQHeads);
        if (numQHeads % numKvHeads != 0) {
            throw json.wrong(
                    "num_key_value_heads", "a divisor of num_attention_heads " + numQHeads);
        }
        int headDim =
                json.has("head_dim")
                        ? json.positive("head_dim", 0, MAX_HEAD_DIM)
                        : family.defaultHeadDim(json, hiddenSize, numQHeads);
        if (headDim % 2 != 0 || headDim > MAX_HEAD_DIM) {
            throw json.wrong(
                    "head_dim", "an even number of at most " + MAX_HEAD_DIM + ", not " + headDim);
        }
        return new DecoderConfig(
                json.positive("vocab_size", defaults.vocabSize(), MAX_VOCABULARY),
                hiddenSize,
                json.positive("intermediate_size", defaults.intermediateSize(), MAX_WIDTH),
                numLayers,
                numQHeads,
                numKvHeads,
                headDim,
                json.number("rms_norm_eps", family.defaultRmsNormEps()),
                family.projections(json),
                family.windows(json, numLayers),
                json.flag("tie_word_embeddings"),
                RopeReader.read(json, family, headDim),
                storedType(json));
    }

    /** The longest sequence that the model was made for, in tokens. */
    int maxPositions() {
        return rope.maxTokens();
    }

    private static void refuseUnsupported(JsonFile json) throws CheckpointException {
        for (String key : QUANTIZED) {
            if (json.has(key)) {
                throw json.wrong(key, "none: quantized checkpoints are not supported");
            }
        }
        for (String key : EXPERTS) {
            // One expert is the feed-forward network itself, and 0 says that there are none.
            if (json.count(key, 0) > 1) {
                throw json.wrong(key, "none: mixtures of experts are not supported");
            }
        }
        for (String key : SOFTCAPS) {
            if (json.number(key, 0) != 0) {
                throw json.wrong(key, "none: capped logits are not supported");
            }
        }
        for (String key : ACTIVATIONS) {
            if (json.has(key) && !SILU.contains(json.string(key))) {
                throw json.wrong(key, "silu");
            }
        }
    }

    /** transformers 5 writes dtype, earlier versions torch_dtype; either names a type of torch. */
    private static TorchType storedType(JsonFile json) throws CheckpointException {
        String key = json.has("dtype") ? "dtype" : "torch_dtype";
        if (!json.has(key)) {
            return TorchType.FLOAT32;
        }
        String name = json.string(key).replaceFirst("^torch\\.", "");
        try {
            return TorchType.parse(TORCH_NAMES.getOrDefault(name, name));
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(
                    json.wrong(key, "float32, bfloat16 or float16").getMessage(), e);
        }
    }
}

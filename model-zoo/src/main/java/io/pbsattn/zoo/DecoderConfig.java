package io.pbsattn.zoo;

import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.nio.file.Path;

/**
 * What a decoder model's {@code config.json} says, checked.
 *
 * @param vocabSize tokens that the model knows
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward network
 * @param numLayers decoder layers
 * @param numQHeads query heads
 * @param numKvHeads key and value heads
 * @param headDim width of a head
 * @param maxPositions the longest sequence that the model was made for, in tokens
 * @param rmsNormEps added to the mean square before the root is taken
 * @param attentionBias whether the attention projections have biases
 * @param mlpBias whether the feed-forward projections have biases
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
        int maxPositions,
        double rmsNormEps,
        boolean attentionBias,
        boolean mlpBias,
        boolean tiedEmbeddings,
        RopeConfig rope,
        TorchType storedType) {

    static DecoderConfig read(Path folder) throws IOException, CheckpointException {
        JsonFile json = JsonFile.read(folder.resolve("config.json"));
        if (!"llama".equals(json.string("model_type"))) {
            throw json.wrong("model_type", "llama");
        }
        if (json.has("quantization_config")) {
            throw json.wrong(
                    "quantization_config", "none: quantised checkpoints are not supported");
        }
        if (json.has("hidden_act") && !"silu".equals(json.string("hidden_act"))) {
            throw json.wrong("hidden_act", "silu");
        }
        int hiddenSize = json.positive("hidden_size");
        int numQHeads = json.positive("num_attention_heads");
        int numKvHeads = json.positive("num_key_value_heads", numQHeads);
        if (numQHeads % numKvHeads != 0) {
            throw json.wrong(
                    "num_key_value_heads", "a divisor of num_attention_heads " + numQHeads);
        }
        if (!json.has("head_dim") && hiddenSize % numQHeads != 0) {
            throw json.wrong("hidden_size", "a multiple of num_attention_heads " + numQHeads);
        }
        int headDim = json.positive("head_dim", hiddenSize / numQHeads);
        if (headDim % 2 != 0) {
            throw json.wrong("head_dim", "an even number");
        }
        return new DecoderConfig(
                json.positive("vocab_size"),
                hiddenSize,
                json.positive("intermediate_size"),
                json.positive("num_hidden_layers"),
                numQHeads,
                numKvHeads,
                headDim,
                json.positive("max_position_embeddings"),
                json.number("rms_norm_eps", 1e-6),
                json.flag("attention_bias"),
                json.flag("mlp_bias"),
                json.flag("tie_word_embeddings"),
                RopeConfig.read(json),
                storedType(json));
    }

    /** transformers 5 writes dtype, earlier versions torch_dtype. */
    private static TorchType storedType(JsonFile json) throws CheckpointException {
        String key = json.has("dtype") ? "dtype" : "torch_dtype";
        if (!json.has(key)) {
            return TorchType.FLOAT32;
        }
        try {
            return TorchType.parse(json.string(key));
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(
                    json.wrong(key, "float32, bfloat16 or float16").getMessage(), e);
        }
    }
}

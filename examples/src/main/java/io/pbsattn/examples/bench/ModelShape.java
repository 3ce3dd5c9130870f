package io.pbsattn.examples.bench;

import java.util.Map;

/**
 * The shape of a Llama-like model.
 *
 * @param vocabSize tokens that it knows
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward network
 * @param numLayers decoder layers
 * @param numQHeads query heads
 * @param numKvHeads key and value heads
 * @param headDim width of a head
 */
public record ModelShape(
        int vocabSize,
        int hiddenSize,
        int intermediateSize,
        int numLayers,
        int numQHeads,
        int numKvHeads,
        int headDim) {

    /** Those that the command line knows: Llama-3.2-1B, Llama-3.1-8B, and one for tests. */
    public static final Map<String, ModelShape> BY_NAME =
            Map.of(
                    "llama-1b", new ModelShape(128256, 2048, 8192, 16, 32, 8, 64),
                    "llama-8b", new ModelShape(128256, 4096, 14336, 32, 32, 8, 128),
                    "tiny", new ModelShape(512, 128, 256, 2, 4, 2, 32));

    public ModelShape withLayers(int layers) {
        return new ModelShape(
                vocabSize, hiddenSize, intermediateSize, layers, numQHeads, numKvHeads, headDim);
    }
}

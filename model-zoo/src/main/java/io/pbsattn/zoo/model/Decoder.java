package io.pbsattn.zoo.model;

import io.pbsattn.layer.LayerOps;
import java.util.List;

/**
 * What a prefill and a decoding step run tokens through.
 *
 * @param config the model's sizes
 * @param weights embedding, layers and output layer
 * @param rope the rotary frequencies
 * @param ops the operations, in the type that the model computes in
 * @param attentions the attention of each layer
 * @param memory owns the weights
 */
public record Decoder(
        DecoderConfig config,
        CausalLmWeights weights,
        RopeConfig rope,
        LayerOps ops,
        List<LayerAttention> attentions,
        SharedArrays memory) {

    /** Tells whether a sequence of a length cannot go on with the keys of a cache. */
    boolean needsNewKeys(KvCache cache, int length) {
        return rope.needsNewKeys() && cache.rotatedBy(rope.keyTable(length)) < cache.length();
    }
}

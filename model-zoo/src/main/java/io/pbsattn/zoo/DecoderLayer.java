package io.pbsattn.zoo;

/**
 * One layer of the decoder: attention and feed-forward network, each behind a norm and added to the
 * residual stream.
 *
 * @param attentionNorm norm before attention
 * @param attention the attention's projections
 * @param mlpNorm norm before the feed-forward network
 * @param mlp the feed-forward network
 */
record DecoderLayer(RmsNorm attentionNorm, SelfAttention attention, RmsNorm mlpNorm, Mlp mlp) {}

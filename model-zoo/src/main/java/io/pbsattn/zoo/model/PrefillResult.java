package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import io.pbsattn.PrefillReport;

/**
 * What a prefill gives.
 *
 * @param logits (batch, positions, vocabSize) float32, attached to the manager of the input
 * @param report attention's density and time per stage, over all layers and chunks
 * @param linearSeconds wall time of the linear layers
 * @param seconds wall time of the whole prefill
 */
public record PrefillResult(
        NDArray logits, PrefillReport report, double linearSeconds, double seconds) {}

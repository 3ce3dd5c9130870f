package io.pbsattn.torchscript;

import ai.djl.ndarray.NDArray;

/** Sees the attention calls of a scope, in the order in which they end. */
@FunctionalInterface
public interface SdpaObserver {

    /**
     * Sees a call. The arrays are open only until this method returns; duplicate what is to be
     * kept.
     *
     * @param route where the call went and why
     * @param q queries (batch, numQHeads, seqlenQ, headDim), or of another rank
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values (batch, numKvHeads, seqlenK, any width)
     * @param output (batch, numQHeads, seqlenQ, width of the values)
     */
    void attended(SdpaRoute route, NDArray q, NDArray k, NDArray v, NDArray output);
}

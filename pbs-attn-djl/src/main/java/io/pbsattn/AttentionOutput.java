package io.pbsattn;

import ai.djl.ndarray.NDArray;

/**
 * The result of one attention call; closing it releases its arrays, also an output array that the
 * caller gave.
 *
 * @param o the attention output (batch, numQHeads, seqlenQ, headDim) in the type of q
 * @param lse the natural log of each row's softmax denominator (batch, numQHeads, seqlenQ), so that
 *     partial results can be merged; float32, or float64 where q is; null from an operator {@link
 *     PbsAttention#withoutLse}
 * @param report density and time per stage
 */
public record AttentionOutput(NDArray o, NDArray lse, PrefillReport report)
        implements AutoCloseable {

    /** {@inheritDoc} */
    @Override
    public void close() {
        o.close();
        if (lse != null) {
            lse.close();
        }
    }
}

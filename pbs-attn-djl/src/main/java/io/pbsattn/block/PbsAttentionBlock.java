package io.pbsattn.block;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.pbsattn.PbsAttention;

/**
 * Permuted Block-Sparse Attention as a DJL block without parameters: it takes the place of standard
 * causal attention in a model. Where no kernel takes a call, dense attention runs, see {@link
 * ModelAttention}.
 *
 * <p>Input: an NDList of q (batch, numQHeads, seqlenQ, headDim), k and v (batch, numKvHeads,
 * seqlenK, headDim). Output: an NDList of o (batch, numQHeads, seqlenQ, headDim). It is for
 * inference: no gradients flow through it.
 */
public final class PbsAttentionBlock extends AbstractBlock {

    private static final byte VERSION = 1;

    private final ModelAttention attention;

    /**
     * Constructs the block.
     *
     * @param attention the operator to run
     */
    public PbsAttentionBlock(PbsAttention attention) {
        super(VERSION);
        this.attention = new ModelAttention(attention);
    }

    /**
     * {@inheritDoc}
     *
     * @throws UnsupportedOperationException if called for training
     * @throws IllegalArgumentException if the inputs are not q, k and v as described
     */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        if (training) {
            throw new UnsupportedOperationException(
                    "PbsAttentionBlock has no gradients: inference only");
        }
        if (inputs.size() != 3) {
            throw new IllegalArgumentException(
                    "expected q, k and v, found " + inputs.size() + " arrays");
        }
        return new NDList(attention.forward(inputs.get(0), inputs.get(1), inputs.get(2)).o());
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return new Shape[] {inputShapes[0]};
    }
}

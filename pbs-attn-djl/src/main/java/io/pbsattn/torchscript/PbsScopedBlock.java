package io.pbsattn.torchscript;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.pbsattn.PbsAttention;

/**
 * A block that runs another one, such as a TorchScript model, with an open {@link SdpaScope}: its
 * attention goes through Permuted Block-Sparse Attention where that fits. Safe to use from several
 * threads if the other block is.
 */
public final class PbsScopedBlock extends AbstractBlock {

    private static final byte VERSION = 1;

    private final Block model;
    private final PbsAttention operator;
    private final SdpaStatistics statistics = new SdpaStatistics();

    /**
     * Constructs the block and installs the interceptor.
     *
     * @param model the block to run
     * @param operator sparse attention; its scale and window are not used
     */
    public PbsScopedBlock(Block model, PbsAttention operator) {
        super(VERSION);
        this.model = addChildBlock("model", model);
        this.operator = operator;
        SdpaInterceptor.install();
    }

    /**
     * Tells what became of the model's attention calls since it was made.
     *
     * @return counts by reason, density and times
     */
    public SdpaReport report() {
        return statistics.report();
    }

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if an attention input is NaN or infinite
     */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        try (SdpaScope scope = SdpaInterceptor.open(operator, statistics)) {
            try {
                // A failure that the model did not notice is thrown when the scope closes.
                return model.forward(parameterStore, inputs, training, params);
            } catch (RuntimeException e) {
                scope.throwFailure(e);
                throw e;
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public PairList<String, Shape> describeInput() {
        return model.describeInput();
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return model.getOutputShapes(inputShapes);
    }

    /** {@inheritDoc} */
    @Override
    public boolean isInitialized() {
        return model.isInitialized();
    }

    /** {@inheritDoc} */
    @Override
    protected void initializeChildBlocks(
            NDManager manager, DataType dataType, Shape... inputShapes) {
        model.initialize(manager, dataType, inputShapes);
    }
}

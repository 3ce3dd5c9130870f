package io.pbsattn.block;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.AttentionOutput;
import io.pbsattn.BlockGrid;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.PrefillReport;
import io.pbsattn.torch.TorchType;
import io.pbsattn.util.WarnOnce;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Attention where a model runs: Permuted Block-Sparse Attention where a kernel takes the call, else
 * dense attention of PyTorch. Such a fall is warned of once for each reason, and stands in the
 * report.
 *
 * <p>The reference backend would take longer than the dense attention that it replaces, so it runs
 * only where it is forced. A forced backend that does not take a call is an error.
 */
public final class ModelAttention {

    private static final Logger logger = LoggerFactory.getLogger(ModelAttention.class);

    private final PbsAttention operator;

    /**
     * Constructs the attention.
     *
     * @param operator is run where a kernel takes the call; its settings hold for dense attention
     *     too
     */
    public ModelAttention(PbsAttention operator) {
        this.operator = operator.kernelsOnly().withoutLse();
    }

    /**
     * Returns the settings.
     *
     * @return the configuration
     */
    public PbsConfig config() {
        return operator.config();
    }

    /**
     * Returns the name of what is tried first.
     *
     * @return a backend's name, or {@link PrefillReport#PYTORCH} if no kernel runs on this machine
     */
    public String backendName() {
        String name = operator.backendName();
        return name.isEmpty() ? PrefillReport.PYTORCH : name;
    }

    /**
     * Computes attention.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim), the last positions of the sequence
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values, shaped as the keys
     * @return the output, attached to the manager of q, without log-sum-exp
     * @throws IllegalArgumentException if shapes or types do not fit, if a kernel finds NaN or
     *     infinity, or if a forced backend does not take the call; says why
     */
    public AttentionOutput forward(NDArray q, NDArray k, NDArray v) {
        return runsKernel(q, k, v) ? operator.forward(q, k, v) : dense(q, k, v);
    }

    /**
     * Computes attention as {@link #forward} does, and may overwrite the queries, which saves the
     * memory for a second array.
     *
     * @param q queries; they are the output where that can be
     * @param k keys
     * @param v values
     * @return the output, which may be q
     * @throws IllegalArgumentException as {@link #forward} does
     */
    public AttentionOutput forwardOver(NDArray q, NDArray k, NDArray v) {
        return runsKernel(q, k, v) ? operator.forwardInto(q, k, v, q) : dense(q, k, v);
    }

    /**
     * Returns the blocks that dense attention computes in a call.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim)
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @return their number over all sequences and query heads
     */
    public long causalBlocks(NDArray q, NDArray k) {
        Shape shape = q.getShape();
        BlockGrid grid =
                operator.config()
                        .grid(
                                TorchType.of(q),
                                Math.toIntExact(shape.get(2)),
                                Math.toIntExact(k.getShape().get(2)));
        return shape.get(0) * shape.get(1) * grid.causalBlocks();
    }

    private boolean runsKernel(NDArray q, NDArray k, NDArray v) {
        if (operator.isForced()) {
            return true;
        }
        Optional<String> refusal = operator.refusal(q, k, v);
        // Who wants every block kept asks for dense attention, and gets it either way.
        if (refusal.isPresent() && !operator.config().keepsEveryBlock()) {
            WarnOnce.warn(
                    logger,
                    "Attention runs dense, on PyTorch, because no kernel takes it. "
                            + refusal.get());
        }
        return refusal.isEmpty();
    }

    private AttentionOutput dense(NDArray q, NDArray k, NDArray v) {
        long start = System.nanoTime();
        PbsConfig config = operator.config();
        double scale = config.softmaxScale(Math.toIntExact(q.getShape().get(3)));
        NDArray o = DenseAttention.forward(q, k, v, scale, config.window());
        double seconds = (System.nanoTime() - start) / 1e9;
        return new AttentionOutput(
                o, null, PrefillReport.dense(PrefillReport.PYTORCH, causalBlocks(q, k), seconds));
    }
}

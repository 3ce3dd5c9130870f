package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PbsAttention;
import io.pbsattn.PrefillReport;
import io.pbsattn.block.DenseAttention;
import io.pbsattn.layer.LayerOps;

/**
 * Runs the attention of one prefill, layer after layer: by the operator where there is one, dense
 * for single rows.
 */
final class PromptAttention {

    private final LayerOps ops;
    private final PbsAttention operator;
    private final double softmaxScale;
    private PrefillReport report;

    /**
     * Constructs the attention of one prefill.
     *
     * @param ops for single rows
     * @param operator for prompts; null for PyTorch's dense attention
     */
    PromptAttention(LayerOps ops, PbsAttention operator, int headDim) {
        this.ops = ops;
        this.operator = operator;
        softmaxScale = 1 / Math.sqrt(headDim);
    }

    /** Attention (batch, numQHeads, rows, headDim) of the last rows of a sequence. */
    NDArray forward(NDArray q, NDArray k, NDArray v) {
        boolean isRow = q.getShape().get(2) == 1;
        if (isRow || operator == null) {
            long start = System.nanoTime();
            NDArray o =
                    isRow
                            ? ops.attendRow(q, k, v, softmaxScale)
                            : DenseAttention.forward(q, k, v, softmaxScale);
            double seconds = (System.nanoTime() - start) / 1e9;
            add(new PrefillReport("dense", "", 0, 0, 0, 0, seconds, seconds));
            return o;
        }
        AttentionOutput output = operator.forward(q, k, v);
        output.lse().close();
        add(output.report());
        return output.o();
    }

    PrefillReport report() {
        return report;
    }

    private void add(PrefillReport more) {
        report = report == null ? more : report.plus(more);
    }
}

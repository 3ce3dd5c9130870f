package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PbsAttention;
import io.pbsattn.PrefillReport;
import io.pbsattn.block.DenseAttention;

/**
 * Runs the attention of one prefill, layer after layer: sparse where it was asked for, dense for
 * single rows.
 */
final class PromptAttention {

    private final PbsAttention sparse;
    private final double softmaxScale;
    private PrefillReport report;

    /**
     * Constructs the attention of one prefill.
     *
     * @param sparse the operator for prompts; null for dense attention
     */
    PromptAttention(PbsAttention sparse, int headDim) {
        this.sparse = sparse;
        softmaxScale = 1 / Math.sqrt(headDim);
    }

    /** Attention (batch, numQHeads, rows, headDim) of the last rows of a sequence. */
    NDArray forward(NDArray q, NDArray k, NDArray v) {
        if (sparse == null || q.getShape().get(2) == 1) {
            long start = System.nanoTime();
            NDArray o = DenseAttention.forward(q, k, v, softmaxScale);
            double seconds = (System.nanoTime() - start) / 1e9;
            add(new PrefillReport("pytorch", "", 0, 0, 0, 0, seconds, seconds));
            return o;
        }
        AttentionOutput output = sparse.forward(q, k, v);
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

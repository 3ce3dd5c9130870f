package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PrefillReport;
import io.pbsattn.layer.LayerOps;
import java.util.List;

/**
 * Runs the attention of one prefill, layer after layer: by the operator, and dense for single rows.
 */
final class PromptAttention {

    private final LayerOps ops;
    private final List<LayerAttention> layers;
    private final double softmaxScale;
    private PrefillReport report;

    /**
     * Constructs the attention of one prefill.
     *
     * @param ops for single rows
     * @param layers the attention of each layer, for prompts
     * @param softmaxScale factor on query-key products
     */
    PromptAttention(LayerOps ops, List<LayerAttention> layers, double softmaxScale) {
        this.ops = ops;
        this.layers = layers;
        this.softmaxScale = softmaxScale;
    }

    /**
     * Attention (batch, numQHeads, rows, headDim) of the last rows of a sequence in a layer; keys
     * and values are those that one of the rows sees. The result may be q, overwritten.
     */
    NDArray forward(int layer, NDArray q, NDArray k, NDArray v) {
        LayerAttention attention = layers.get(layer);
        if (q.getShape().get(2) == 1) {
            long blocks = attention.operator().causalBlocks(q, k);
            long start = System.nanoTime();
            NDArray o = ops.attendRow(q, k, v, softmaxScale);
            double seconds = (System.nanoTime() - start) / 1e9;
            add(PrefillReport.dense(ops.rowBackend(), blocks, seconds));
            return o;
        }
        AttentionOutput output = attention.operator().forwardOver(q, k, v);
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

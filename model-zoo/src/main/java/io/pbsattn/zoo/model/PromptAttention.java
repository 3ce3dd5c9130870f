package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PrefillReport;
import io.pbsattn.block.DenseAttention;
import io.pbsattn.layer.LayerOps;
import java.util.List;

/**
 * Runs the attention of one prefill, layer after layer: by the operator where there is one, dense
 * for single rows.
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
        boolean isRow = q.getShape().get(2) == 1;
        if (isRow || attention.operator() == null) {
            long start = System.nanoTime();
            NDArray o =
                    isRow
                            ? ops.attendRow(q, k, v, softmaxScale)
                            : DenseAttention.forward(q, k, v, softmaxScale, attention.window());
            double seconds = (System.nanoTime() - start) / 1e9;
            add(new PrefillReport("dense", "", 0, 0, 0, 0, seconds, seconds));
            return o;
        }
        AttentionOutput output = attention.operator().forwardInto(q, k, v, q);
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

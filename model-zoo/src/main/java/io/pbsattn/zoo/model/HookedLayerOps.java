package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.layer.Linear;
import io.pbsattn.torch.TorchType;
import java.util.List;

/** Operations of which those that read weights, the linear layers, go through a hook. */
abstract class HookedLayerOps implements LayerOps {

    private final LayerOps ops;

    HookedLayerOps(LayerOps ops) {
        this.ops = ops;
    }

    /**
     * Runs a call that reads weights.
     *
     * @param x (rows, in), what is multiplied by them
     * @param call to be run once
     */
    abstract void readWeights(NDArray x, Runnable call);

    /** {@inheritDoc} */
    @Override
    public TorchType type() {
        return ops.type();
    }

    /** {@inheritDoc} */
    @Override
    public NDArray empty(NDManager manager, long rows, long width) {
        return ops.empty(manager, rows, width);
    }

    /** {@inheritDoc} */
    @Override
    public void normalize(NDArray x, NDArray weight, double eps, NDArray y) {
        ops.normalize(x, weight, eps, y);
    }

    /** {@inheritDoc} */
    @Override
    public void linear(NDArray x, List<Linear> layers, List<NDArray> outputs) {
        readWeights(x, () -> ops.linear(x, layers, outputs));
    }

    /** {@inheritDoc} */
    @Override
    public void addLinear(NDArray x, Linear layer, NDArray sum) {
        readWeights(x, () -> ops.addLinear(x, layer, sum));
    }

    /** {@inheritDoc} */
    @Override
    public void gated(NDArray x, Linear gate, Linear up, NDArray y) {
        readWeights(x, () -> ops.gated(x, gate, up, y));
    }

    /** {@inheritDoc} */
    @Override
    public void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y) {
        ops.rotate(x, cosines, sines, y);
    }

    /** {@inheritDoc} */
    @Override
    public NDArray attendRow(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        return ops.attendRow(q, k, v, softmaxScale);
    }

    /** {@inheritDoc} */
    @Override
    public String rowBackend() {
        return ops.rowBackend();
    }
}

package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.layer.Linear;
import io.pbsattn.torch.TorchType;
import java.util.List;

/** Adds up the time that one prefill spends in linear layers. */
final class TimedLayerOps implements LayerOps {

    private final LayerOps ops;
    private long nanos;

    TimedLayerOps(LayerOps ops) {
        this.ops = ops;
    }

    double seconds() {
        return nanos / 1e9;
    }

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
        long start = System.nanoTime();
        ops.linear(x, layers, outputs);
        nanos += System.nanoTime() - start;
    }

    /** {@inheritDoc} */
    @Override
    public void addLinear(NDArray x, Linear layer, NDArray sum) {
        long start = System.nanoTime();
        ops.addLinear(x, layer, sum);
        nanos += System.nanoTime() - start;
    }

    /** {@inheritDoc} */
    @Override
    public void gated(NDArray x, Linear gate, Linear up, NDArray y) {
        long start = System.nanoTime();
        ops.gated(x, gate, up, y);
        nanos += System.nanoTime() - start;
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
}

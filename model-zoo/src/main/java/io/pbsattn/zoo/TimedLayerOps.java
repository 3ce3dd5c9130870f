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
    public NDArray normalize(NDManager manager, NDArray x, NDArray weight, double eps) {
        return ops.normalize(manager, x, weight, eps);
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
    public NDArray gated(NDManager manager, NDArray x, Linear gate, Linear up) {
        long start = System.nanoTime();
        NDArray y = ops.gated(manager, x, gate, up);
        nanos += System.nanoTime() - start;
        return y;
    }

    /** {@inheritDoc} */
    @Override
    public void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y) {
        ops.rotate(x, cosines, sines, y);
    }
}

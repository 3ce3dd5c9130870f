package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.kernels.LinearCall;
import io.pbsattn.kernels.NativeKernels;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;

/**
 * The native kernels in bfloat16, with float32 inside each operation. Products of many rows are
 * libtorch's where the kernels have no matrix units to run them on.
 */
final class Bfloat16LayerOps implements LayerOps {

    /** Matrix units read rows where they lie if these are an odd number of such steps apart. */
    private static final long ROW_STEP = 512;

    /** Fewer rows are packed in any case. */
    private static final int MIN_ROWS = 32;

    private final NativeKernels kernels;
    private final long maxRows;

    Bfloat16LayerOps(NativeKernels kernels) {
        this.kernels = kernels;
        maxRows = kernels.maxLinearRows();
    }

    /** {@inheritDoc} */
    @Override
    public TorchType type() {
        return TorchType.BFLOAT16;
    }

    /** {@inheritDoc} */
    @Override
    public NDArray empty(NDManager manager, long rows, long width) {
        if (rows > maxRows || rows < MIN_ROWS) {
            return LibTorch.get().empty(manager, new Shape(rows, width), type());
        }
        long steps = (width + ROW_STEP - 1) / ROW_STEP;
        Shape apart = new Shape(rows, (steps % 2 == 0 ? steps + 1 : steps) * ROW_STEP);
        try (NDArray storage = LibTorch.get().empty(manager, apart, type())) {
            HugePages.advise(storage);
            return storage.get(manager, new NDIndex(":, :{}", width));
        }
    }

    /** {@inheritDoc} */
    @Override
    public void normalize(NDArray x, NDArray weight, double eps, NDArray y) {
        kernels.rmsNorm(x, weight, eps, y);
    }

    /** {@inheritDoc} */
    @Override
    public void linear(NDArray x, List<Linear> layers, List<NDArray> outputs) {
        if (rows(x) <= maxRows && layers.size() <= LinearCall.MAX_WEIGHTS) {
            LinearCall call = new LinearCall(LinearCall.Combine.STORE, x);
            for (int i = 0; i < layers.size(); ++i) {
                add(call, layers.get(i)).output(i, outputs.get(i));
            }
            kernels.linear(call);
            return;
        }
        for (int i = 0; i < layers.size(); ++i) {
            try (NDArray y = TorchLinear.apply(x, layers.get(i))) {
                LibTorch.get().copy(y, outputs.get(i));
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public void addLinear(NDArray x, Linear layer, NDArray sum) {
        if (rows(x) <= maxRows) {
            LinearCall call = new LinearCall(LinearCall.Combine.ADD, x);
            kernels.linear(add(call, layer).output(0, sum));
            return;
        }
        try (NDArray y = TorchLinear.apply(x, layer)) {
            sum.addi(y);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void gated(NDArray x, Linear gate, Linear up, NDArray y) {
        if (rows(x) <= maxRows) {
            LinearCall call = new LinearCall(LinearCall.Combine.GATE, x);
            kernels.linear(add(add(call, gate), up).output(0, y));
            return;
        }
        try (NDArray g = TorchLinear.apply(x, gate);
                NDArray u = TorchLinear.apply(x, up)) {
            kernels.gate(g, u, y);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y) {
        kernels.rotate(x, cosines, sines, y);
    }

    /** {@inheritDoc} */
    @Override
    public NDArray attendRow(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        Shape shape = q.getShape();
        NDArray o = LibTorch.get().empty(q.getManager(), shape, type());
        Shape heads = new Shape(shape.get(1), shape.get(3));
        try (NDManager scope = q.getManager().newSubManager()) {
            for (long b = 0; b < shape.get(0); ++b) {
                NDIndex sequence = new NDIndex("{}", b);
                kernels.attendRow(
                        q.get(scope, sequence).reshape(heads),
                        k.get(scope, sequence),
                        v.get(scope, sequence),
                        softmaxScale,
                        o.get(scope, sequence).reshape(heads));
            }
        }
        return o;
    }

    /** {@inheritDoc} */
    @Override
    public String rowBackend() {
        return "cpu";
    }

    private static LinearCall add(LinearCall call, Linear layer) {
        return call.add(layer.weight(), layer.bias());
    }

    private static long rows(NDArray x) {
        return x.getShape().get(0);
    }
}

package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import io.pbsattn.torch.LibTorch;

/** Linear layers by libtorch, in whatever type their weights have. */
final class TorchLinear {

    private TorchLinear() {}

    /** Returns x weight^T + bias, attached to the manager of x. */
    static NDArray apply(NDArray x, Linear layer) {
        // The C ABI takes no array for an argument that may be left out, as the operator's bias is.
        Object noBias = null;
        NDArray y =
                LibTorch.get()
                        .call(x.getManager(), "aten::linear", "", 1, x, layer.weight(), noBias)[0];
        return layer.bias() == null ? y : y.addi(layer.bias());
    }
}

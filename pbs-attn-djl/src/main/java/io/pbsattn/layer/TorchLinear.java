package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import io.pbsattn.torch.LibTorch;
import java.util.Optional;

/** Linear layers by libtorch, in whatever type their weights have. */
final class TorchLinear {

    private TorchLinear() {}

    /** Returns x weight^T + bias, attached to the manager of x. */
    static NDArray apply(NDArray x, Linear layer) {
        return LibTorch.get()
                .call(
                        x.getManager(),
                        "aten::linear",
                        "",
                        1,
                        x,
                        layer.weight(),
                        Optional.ofNullable(layer.bias()))[0];
    }
}

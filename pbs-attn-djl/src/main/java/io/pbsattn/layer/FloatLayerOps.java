package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.block.DenseAttention;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;

/** Plain array operations in float32: run everywhere. */
final class FloatLayerOps implements LayerOps {

    /** {@inheritDoc} */
    @Override
    public TorchType type() {
        return TorchType.FLOAT32;
    }

    /** {@inheritDoc} */
    @Override
    public NDArray empty(NDManager manager, long rows, long width) {
        return LibTorch.get().empty(manager, new Shape(rows, width), type());
    }

    /** {@inheritDoc} */
    @Override
    public void normalize(NDArray x, NDArray weight, double eps, NDArray y) {
        try (NDManager scope = x.getManager().newSubManager()) {
            NDArray square = in(scope, x.square());
            NDArray meanSquare = in(scope, square.mean(new int[] {-1}, true));
            NDArray root = in(scope, meanSquare.addi(eps).sqrt());
            LibTorch.get().copy(in(scope, x.div(root)).muli(weight), y);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void linear(NDArray x, List<Linear> layers, List<NDArray> outputs) {
        for (int i = 0; i < layers.size(); ++i) {
            try (NDArray y = TorchLinear.apply(x, layers.get(i))) {
                LibTorch.get().copy(y, outputs.get(i));
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public void addLinear(NDArray x, Linear layer, NDArray sum) {
        try (NDArray y = TorchLinear.apply(x, layer)) {
            sum.addi(y);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void gated(NDArray x, Linear gate, Linear up, NDArray y) {
        try (NDManager scope = x.getManager().newSubManager()) {
            NDArray g = in(scope, TorchLinear.apply(x, gate));
            NDArray silu = LibTorch.get().call(scope, "aten::silu", "", 1, g)[0];
            LibTorch.get().copy(silu.muli(in(scope, TorchLinear.apply(x, up))), y);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y) {
        long half = x.getShape().get(2) / 2;
        try (NDManager scope = x.getManager().newSubManager()) {
            NDArray first = x.get(scope, new NDIndex("..., :{}", half));
            NDArray second = x.get(scope, new NDIndex("..., {}:", half));
            NDArray rotatedFirst = first.mul(cosines).sub(second.mul(sines));
            NDArray rotatedSecond = second.mul(cosines).add(first.mul(sines));
            LibTorch.get().copy(rotatedFirst.concat(rotatedSecond, -1), y);
        }
    }

    /** {@inheritDoc} */
    @Override
    public NDArray attendRow(NDArray q, NDArray k, NDArray v, double softmaxScale) {
        return DenseAttention.forward(q, k, v, softmaxScale);
    }

    private static NDArray in(NDManager manager, NDArray array) {
        array.attach(manager);
        return array;
    }
}

package io.pbsattn.torchscript;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.Optional;

/**
 * PyTorch's own scaled dot product attention, from the kernels that it is made of: the operator
 * itself is ours by now. Which kernel runs is PyTorch's choice, and results are the same bit for
 * bit.
 */
final class TorchSdpa {

    // PyTorch's numbers of its kernels (sdp::SDPBackend).
    private static final int FLASH = 1;
    private static final int EFFICIENT = 2;
    private static final int CUDNN = 3;

    private static final int CUDA_ALIGNMENT = 8;

    /** What cuDNN's kernel adds where a mask forbids. */
    private static final float CUDNN_MASKED = -65504;

    private TorchSdpa() {}

    /**
     * Runs a call.
     *
     * @param scope will own the result
     * @throws IllegalStateException if the kernel refuses the arguments
     */
    static NDArray forward(NDManager scope, SdpaCall call) {
        long choice =
                LibTorch.get()
                        .callForInteger(
                                "aten::_fused_sdp_choice",
                                "",
                                call.q(),
                                call.k(),
                                call.v(),
                                call.mask(),
                                call.dropout(),
                                call.isCausal(),
                                call.scale(),
                                call.enableGqa());
        if (!call.q().getDevice().isGpu()) {
            Optional<NDArray> mask = additive(scope, call, Float.NEGATIVE_INFINITY);
            return choice == FLASH ? flashOnCpu(scope, call, mask) : math(scope, call, mask);
        }
        return switch ((int) choice) {
            case FLASH -> flash(scope, call);
            case EFFICIENT ->
                    efficient(scope, call, additive(scope, call, Float.NEGATIVE_INFINITY));
            case CUDNN -> cudnn(scope, call, additive(scope, call, CUDNN_MASKED));
            default -> math(scope, call, additive(scope, call, Float.NEGATIVE_INFINITY));
        };
    }

    /** The mask as numbers to add to the logits. */
    private static Optional<NDArray> additive(NDManager scope, SdpaCall call, float masked) {
        TorchType type = TorchType.of(call.q());
        return call.mask()
                .map(
                        mask ->
                                TorchType.of(mask) != TorchType.BOOLEAN
                                        ? mask
                                        : LibTorch.get()
                                                .call(
                                                        scope,
                                                        "aten::where",
                                                        "self",
                                                        1,
                                                        mask,
                                                        number(scope, 0, type),
                                                        number(scope, masked, type))[0]);
    }

    private static NDArray number(NDManager scope, float value, TorchType type) {
        return LibTorch.get().toType(scope, scope.create(value), type);
    }

    private static NDArray math(NDManager scope, SdpaCall call, Optional<NDArray> mask) {
        Optional<NDArray> drawnDropout = Optional.empty();
        return LibTorch.get()
                .call(
                        scope,
                        "aten::_scaled_dot_product_attention_math",
                        "",
                        2,
                        call.q(),
                        call.k(),
                        call.v(),
                        mask,
                        call.dropout(),
                        call.isCausal(),
                        drawnDropout,
                        call.scale(),
                        call.enableGqa())[0];
    }

    private static NDArray flashOnCpu(NDManager scope, SdpaCall call, Optional<NDArray> mask) {
        return LibTorch.get()
                .call(
                        scope,
                        "aten::_scaled_dot_product_flash_attention_for_cpu",
                        "",
                        2,
                        call.q(),
                        call.k(),
                        call.v(),
                        call.dropout(),
                        call.isCausal(),
                        mask,
                        call.scale())[0];
    }

    /** CUDA's kernel wants head dims that are multiples of 8; the scale is that of the real one. */
    private static NDArray flash(NDManager scope, SdpaCall call) {
        long headDim = lastSize(call.q());
        boolean debugMask = false;
        NDArray o =
                LibTorch.get()
                        .callForFirst(
                                scope,
                                "aten::_scaled_dot_product_flash_attention",
                                "",
                                "TTTTiiTTT",
                                padded(scope, call.q()),
                                padded(scope, call.k()),
                                padded(scope, call.v()),
                                call.dropout(),
                                call.isCausal(),
                                debugMask,
                                Optional.of(call.scale().orElse(1 / Math.sqrt((double) headDim))));
        return lastSize(o) == headDim ? o : o.get(scope, new NDIndex("..., :{}", headDim));
    }

    /** CUDA's kernel wants masks whose rows begin at multiples of 8. */
    private static NDArray efficient(NDManager scope, SdpaCall call, Optional<NDArray> mask) {
        Shape q = call.q().getShape();
        long keys = call.k().getShape().get(2);
        Optional<NDArray> aligned =
                mask.map(
                        m ->
                                padded(scope, m)
                                        .get(scope, new NDIndex("..., :{}", keys))
                                        .broadcast(q.get(0), q.get(1), q.get(2), keys));
        return LibTorch.get()
                .call(
                        scope,
                        "aten::_scaled_dot_product_efficient_attention",
                        "",
                        4,
                        call.q(),
                        call.k(),
                        call.v(),
                        aligned,
                        call.recordsGradients(),
                        call.dropout(),
                        call.isCausal(),
                        call.scale())[0];
    }

    private static NDArray cudnn(NDManager scope, SdpaCall call, Optional<NDArray> mask) {
        boolean debugMask = false;
        return LibTorch.get()
                .callForFirst(
                        scope,
                        "aten::_scaled_dot_product_cudnn_attention",
                        "",
                        "TTTTiiTTT",
                        call.q(),
                        call.k(),
                        call.v(),
                        mask,
                        call.recordsGradients(),
                        call.dropout(),
                        call.isCausal(),
                        debugMask,
                        call.scale());
    }

    /** The array with zeros up to a last dimension that is a multiple of 8. */
    private static NDArray padded(NDManager scope, NDArray array) {
        long missing = Math.floorMod(-lastSize(array), CUDA_ALIGNMENT);
        if (missing == 0) {
            return array;
        }
        long[] shape = array.getShape().getShape().clone();
        shape[shape.length - 1] = missing;
        NDArray zeros = LibTorch.get().zeros(scope, new Shape(shape), TorchType.of(array));
        NDArray result = NDArrays.concat(new NDList(array, zeros), -1);
        result.attach(scope);
        return result;
    }

    private static long lastSize(NDArray array) {
        Shape shape = array.getShape();
        return shape.get(shape.dimension() - 1);
    }
}

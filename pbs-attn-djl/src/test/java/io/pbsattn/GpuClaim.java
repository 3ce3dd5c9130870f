package io.pbsattn;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;

/** Arrays that say they are on a GPU, where there is none; their elements are on the CPU. */
public final class GpuClaim extends PtNDArray {

    private GpuClaim(NDManager manager, PtNDArray tensor) {
        super((PtNDManager) manager, tensor.getHandle());
    }

    /** A copy of an array that claims to be on the first GPU. */
    public static NDArray of(NDArray array) {
        NDManager manager = array.getManager();
        NDArray copy = LibTorch.get().toType(manager, array, TorchType.of(array));
        // The claim frees the tensor from now on.
        copy.detach();
        return new GpuClaim(manager, (PtNDArray) copy);
    }

    /** {@inheritDoc} */
    @Override
    public Device getDevice() {
        return Device.gpu(0);
    }
}

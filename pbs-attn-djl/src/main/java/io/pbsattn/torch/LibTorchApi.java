package io.pbsattn.torch;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;

/**
 * The part of libtorch's C ABI (torch/csrc/inductor/aoti_torch/c/shim.h) that {@link LibTorch}
 * uses. A tensor handle is a {@code torch::Tensor*}; every function answers 0 for success.
 */
interface LibTorchApi extends Library {

    int aoti_torch_get_data_ptr(long tensor, PointerByReference dataPtr);

    int aoti_torch_get_dim(long tensor, LongByReference dim);

    int aoti_torch_get_strides(long tensor, PointerByReference strides);

    int aoti_torch_get_dtype(long tensor, IntByReference dtype);

    int aoti_torch_get_device_type(long tensor, IntByReference deviceType);

    int aoti_torch_get_device_index(long tensor, IntByReference deviceIndex);

    int aoti_torch_empty_strided(
            long ndim,
            long[] sizes,
            long[] strides,
            int dtype,
            int deviceType,
            int deviceIndex,
            LongByReference tensor);

    int aoti_torch_create_tensor_from_blob(
            Pointer data,
            long ndim,
            long[] sizes,
            long[] strides,
            long storageOffset,
            int dtype,
            int deviceType,
            int deviceIndex,
            LongByReference tensor);

    int aoti_torch_zero_(long tensor);

    int aoti_torch_copy_(long tensor, long source, int nonBlocking);

    int aoti_torch_new_tensor_handle(long tensor, LongByReference newTensor);

    int aoti_torch_call_dispatcher(String operator, String overload, long[] stack);

    int aoti_torch_library_init_impl(
            String namespace,
            String dispatchKey,
            String file,
            int line,
            PointerByReference library);

    int aoti_torch_library_impl(Pointer library, String name, BoxedKernel kernel);

    boolean aoti_torch_grad_mode_is_enabled();

    /** A kernel for any operator: arguments and results stand on a stack of 8-byte slots. */
    interface BoxedKernel extends Callback {

        void call(Pointer stack, long numArguments, long numOutputs);
    }
}

package io.pbsattn.torch;

import com.sun.jna.Callback;
import com.sun.jna.Pointer;

/**
 * The part of libtorch's C ABI (torch/csrc/inductor/aoti_torch/c/shim.h) that {@link LibTorch}
 * uses, bound directly: a call takes less than a microsecond, where one through an interface of
 * JNA's takes ten. A tensor handle is a {@code torch::Tensor*}; functions that answer an int answer
 * 0 for success. Results come in arrays of one element.
 */
final class LibTorchApi {

    private LibTorchApi() {}

    static native int aoti_torch_get_data_ptr(long tensor, long[] dataPtr);

    static native int aoti_torch_get_dim(long tensor, long[] dim);

    static native int aoti_torch_get_strides(long tensor, long[] strides);

    static native int aoti_torch_get_dtype(long tensor, int[] dtype);

    static native int aoti_torch_get_device_type(long tensor, int[] deviceType);

    static native int aoti_torch_get_device_index(long tensor, int[] deviceIndex);

    static native int aoti_torch_empty_strided(
            long ndim,
            long[] sizes,
            long[] strides,
            int dtype,
            int deviceType,
            int deviceIndex,
            long[] tensor);

    static native int aoti_torch_create_tensor_from_blob(
            Pointer data,
            long ndim,
            long[] sizes,
            long[] strides,
            long storageOffset,
            int dtype,
            int deviceType,
            int deviceIndex,
            long[] tensor);

    static native int aoti_torch_zero_(long tensor);

    static native int aoti_torch_copy_(long tensor, long source, int nonBlocking);

    static native int aoti_torch_new_tensor_handle(long tensor, long[] newTensor);

    static native int aoti_torch_delete_tensor_object(long tensor);

    static native int aoti_torch_call_dispatcher(Pointer operator, Pointer overload, long[] stack);

    static native int aoti_torch_library_init_impl(
            String namespace, String dispatchKey, String file, int line, long[] library);

    static native int aoti_torch_library_impl(long library, String name, BoxedKernel kernel);

    static native boolean aoti_torch_grad_mode_is_enabled();

    /** A kernel for any operator: arguments and results stand on a stack of 8-byte slots. */
    interface BoxedKernel extends Callback {

        void call(Pointer stack, long numArguments, long numOutputs);
    }
}

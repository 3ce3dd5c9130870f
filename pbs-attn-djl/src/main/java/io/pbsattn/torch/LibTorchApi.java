package io.pbsattn.torch;

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

    int aoti_torch_copy_(long tensor, long source, int nonBlocking);

    int aoti_torch_new_tensor_handle(long tensor, LongByReference newTensor);

    int aoti_torch_call_dispatcher(String operator, String overload, long[] stack);
}

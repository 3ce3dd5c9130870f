package io.pbsattn.torch;

import com.sun.jna.Library;
import com.sun.jna.ptr.PointerByReference;

/** What only the CUDA part of libtorch exports of its C ABI. */
interface LibTorchCudaApi extends Library {

    int aoti_torch_get_current_cuda_stream(int deviceIndex, PointerByReference stream);
}

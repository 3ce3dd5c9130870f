package io.pbsattn.kernels;

import com.sun.jna.Pointer;

/**
 * The functions of native-kernels/include/pbs_attn.h and pbs_layer.h, bound directly. Those that
 * answer a status write the reason of a failure into the message.
 */
final class NativeApi {

    /** The version of the headers that this class and the structures beside it follow. */
    static final int ABI_VERSION = 4;

    private NativeApi() {}

    static native String pbs_attn_isa();

    static native String pbs_attn_available_isas();

    static native int pbs_attn_prefill(AttentionCall call, byte[] message, long messageSize);

    static native long pbs_layer_max_linear_rows();

    static native int pbs_layer_linear(LinearCall call, byte[] message, long messageSize);

    static native int pbs_layer_rms_norm(
            Matrix x,
            Pointer weight,
            double eps,
            Matrix y,
            int numThreads,
            byte[] message,
            long messageSize);

    static native int pbs_layer_rotate(
            int dtype,
            long heads,
            long rows,
            long headDim,
            Heads x,
            Pointer cosines,
            Pointer sines,
            Heads y,
            int numThreads,
            byte[] message,
            long messageSize);

    static native int pbs_layer_gate(
            Matrix gate, Matrix up, Matrix y, int numThreads, byte[] message, long messageSize);

    static native int pbs_layer_attend_row(
            long numQHeads,
            long numKvHeads,
            long keys,
            long headDim,
            double softmaxScale,
            Matrix q,
            Heads k,
            Heads v,
            Matrix o,
            int numThreads,
            byte[] message,
            long messageSize);
}

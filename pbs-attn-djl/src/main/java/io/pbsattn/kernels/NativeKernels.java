package io.pbsattn.kernels;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.Utils;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The functions of the native library, on arrays of the CPU. A call fails with an exception that
 * says why: {@link IllegalArgumentException} for what it was given, {@link IllegalStateException}
 * for what the machine lacks.
 */
public final class NativeKernels {

    private static final int MESSAGE_BYTES = 512;
    private static final int ALL_THREADS = 0;

    /** Values of enum pbs_attn_status. */
    private static final int OK = 0;

    private static final int INVALID_ARGUMENT = 1;
    private static final int NOT_FINITE = 2;
    private static final int OUT_OF_MEMORY = 3;
    private static final int UNSUPPORTED = 4;

    private final String isa;

    private NativeKernels(String isa) {
        this.isa = isa;
    }

    /**
     * Returns the library, loading it when it is first asked for.
     *
     * @return the only instance
     * @throws IllegalStateException if it is not to be had here; says why
     */
    public static NativeKernels get() {
        if (Holder.LOADED.kernels == null) {
            throw new IllegalStateException(Holder.LOADED.refusal);
        }
        return Holder.LOADED.kernels;
    }

    /**
     * Tells why the library is not to be had here.
     *
     * @return the reason and what helps, or empty if {@link #get} returns it
     */
    public static Optional<String> refusal() {
        return Optional.ofNullable(Holder.LOADED.refusal);
    }

    /**
     * Returns the instruction set that calls use.
     *
     * @return such as {@code avx2}; {@code PBS_ATTN_ISA} overrides the best one
     */
    public String isa() {
        return isa;
    }

    /**
     * Returns the most rows that {@link #linear} takes.
     *
     * @return {@link Long#MAX_VALUE} where the CPU has matrix units, few elsewhere
     */
    public long maxLinearRows() {
        return NativeApi.pbs_layer_max_linear_rows();
    }

    /**
     * Tells whether the kernels know an element type.
     *
     * @param type any type
     * @return true for float32, bfloat16 and float16
     */
    public static boolean takes(TorchType type) {
        return type == TorchType.FLOAT32 || type == TorchType.BFLOAT16 || type == TorchType.FLOAT16;
    }

    /**
     * Returns the code of an array's element type: an enum pbs_attn_dtype.
     *
     * @param array any array
     * @return the code
     * @throws IllegalArgumentException if the kernels do not know the type
     */
    public static int dtypeCode(NDArray array) {
        TorchType type = TorchType.of(array);
        return switch (type) {
            case FLOAT32 -> 0;
            case BFLOAT16 -> 1;
            case FLOAT16 -> 2;
            default ->
                    throw new IllegalArgumentException(
                            "expected float32, bfloat16 or float16, found " + type);
        };
    }

    /**
     * Runs the attention of a prefill.
     *
     * @param call the arrays and settings; its out fields are set
     */
    public void prefill(AttentionCall call) {
        run((message, size) -> NativeApi.pbs_attn_prefill(call, message, size));
    }

    /**
     * Runs linear layers in bfloat16.
     *
     * @param call the layers, at most {@link #maxLinearRows} rows
     */
    public void linear(LinearCall call) {
        run((message, size) -> NativeApi.pbs_layer_linear(call, message, size));
    }

    /**
     * Root-mean-square normalisation of each row.
     *
     * @param x (rows, cols) float32
     * @param weight (cols) float32
     * @param eps added to the mean square
     * @param y (rows, cols) bfloat16 or float32, overwritten
     */
    public void rmsNorm(NDArray x, NDArray weight, double eps, NDArray y) {
        run(
                (message, size) ->
                        NativeApi.pbs_layer_rms_norm(
                                Matrix.of(x),
                                LibTorch.get().hostPointer(weight),
                                eps,
                                Matrix.of(y),
                                ALL_THREADS,
                                message,
                                size));
    }

    /**
     * Rotates rows by their positions.
     *
     * @param x (heads, rows, headDim)
     * @param cosines (rows, headDim / 2) float32, contiguous
     * @param sines shaped as the cosines
     * @param y shaped and typed as x, overwritten; may be x
     */
    public void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y) {
        Shape shape = x.getShape();
        run(
                (message, size) ->
                        NativeApi.pbs_layer_rotate(
                                dtypeCode(x),
                                shape.get(0),
                                shape.get(1),
                                shape.get(2),
                                Heads.ofSequence(x),
                                LibTorch.get().hostPointer(cosines),
                                LibTorch.get().hostPointer(sines),
                                Heads.ofSequence(y),
                                ALL_THREADS,
                                message,
                                size));
    }

    /**
     * The gate of a feed-forward network.
     *
     * @param gate (rows, cols) bfloat16
     * @param up shaped as the gate
     * @param y shaped as the gate, overwritten by silu(gate) * up; may be one of the two
     */
    public void gate(NDArray gate, NDArray up, NDArray y) {
        run(
                (message, size) ->
                        NativeApi.pbs_layer_gate(
                                Matrix.of(gate),
                                Matrix.of(up),
                                Matrix.of(y),
                                ALL_THREADS,
                                message,
                                size));
    }

    /**
     * Attention of one query row of each head.
     *
     * @param q (numQHeads, headDim) bfloat16
     * @param k (numKvHeads, keys, headDim) bfloat16
     * @param v shaped as the keys
     * @param softmaxScale factor on the query-key products
     * @param o shaped as q, overwritten
     */
    public void attendRow(NDArray q, NDArray k, NDArray v, double softmaxScale, NDArray o) {
        Shape shape = k.getShape();
        run(
                (message, size) ->
                        NativeApi.pbs_layer_attend_row(
                                q.getShape().get(0),
                                shape.get(0),
                                shape.get(1),
                                shape.get(2),
                                softmaxScale,
                                Matrix.of(q),
                                Heads.ofSequence(k),
                                Heads.ofSequence(v),
                                Matrix.of(o),
                                ALL_THREADS,
                                message,
                                size));
    }

    /** A function of the library. */
    private interface Call {

        /** Runs it; answers a status, with its reason in the message. */
        int run(byte[] message, long size);
    }

    private static void run(Call call) {
        byte[] message = new byte[MESSAGE_BYTES];
        int status = call.run(message, message.length);
        if (status != OK) {
            throw failure(status, Native.toString(message));
        }
    }

    private static RuntimeException failure(int status, String message) {
        return switch (status) {
            case INVALID_ARGUMENT, NOT_FINITE -> new IllegalArgumentException(message);
            case OUT_OF_MEMORY -> new IllegalStateException("kernels: out of memory: " + message);
            case UNSUPPORTED -> new IllegalStateException("kernels: unsupported: " + message);
            default -> new IllegalStateException("kernels: status " + status + ": " + message);
        };
    }

    /** The library, or why it is not to be had. */
    private record Loaded(NativeKernels kernels, String refusal) {}

    /** Loads the library when it is first asked for. */
    private static final class Holder {

        static final Loaded LOADED = load();

        private static Loaded load() {
            Path file;
            try {
                file = NativeLibraryFile.unpack(Utils.getEngineCacheDir("pbs-attn"));
            } catch (IOException e) {
                return refused(e.getMessage());
            }
            try {
                NativeLibrary library = NativeLibrary.getInstance(file.toString());
                int version = library.getFunction("pbs_attn_abi_version").invokeInt(null);
                if (version != NativeApi.ABI_VERSION) {
                    return refused(
                            "native library "
                                    + file
                                    + ": expected interface version "
                                    + NativeApi.ABI_VERSION
                                    + ", found "
                                    + version
                                    + "; take both jars of one release");
                }
                Native.register(NativeApi.class, library);
            } catch (UnsatisfiedLinkError e) {
                return refused("native library " + file + " does not load: " + e.getMessage());
            }
            String isa = NativeApi.pbs_attn_isa();
            if (isa == null) {
                return refused(
                        "PBS_ATTN_ISA: expected one of "
                                + NativeApi.pbs_attn_available_isas()
                                + ", which this build and CPU have, found '"
                                + System.getenv("PBS_ATTN_ISA")
                                + "'");
            }
            return new Loaded(new NativeKernels(isa), null);
        }

        private static Loaded refused(String reason) {
            return new Loaded(null, reason);
        }
    }
}

package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.backend.cpu.NativeLibraryFile;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;

/** The functions of native-kernels/include/pbs_layer.h. */
final class NativeLayer {

    /** Values of enum pbs_layer_combine. */
    static final int STORE = 0;

    static final int ADD = 1;
    static final int GATE = 2;

    static final int MAX_WEIGHTS = 3;

    private static final int ABI_VERSION = 4;
    private static final int MESSAGE_SIZE = 512;
    private static final int STATUS_INVALID_ARGUMENT = 1;
    private static final int ALL_THREADS = 0;

    private final Api api;

    private NativeLayer(Api api) {
        this.api = api;
    }

    /**
     * Returns the library.
     *
     * @throws IllegalStateException if it cannot be had; says why
     */
    static NativeLayer get() {
        if (Holder.INSTANCE == null) {
            throw new IllegalStateException("bfloat16 is not to be had: " + Holder.reason);
        }
        return Holder.INSTANCE;
    }

    /** The most rows that {@link #linear} takes. */
    long maxLinearRows() {
        return api.pbs_layer_max_linear_rows();
    }

    void linear(LinearCall call) {
        call.structSize = call.size();
        byte[] message = new byte[MESSAGE_SIZE];
        check(api.pbs_layer_linear(call, message, message.length), message);
    }

    void rmsNorm(NDArray x, NDArray weight, double eps, NDArray y) {
        byte[] message = new byte[MESSAGE_SIZE];
        int status =
                api.pbs_layer_rms_norm(
                        Matrix.of(x),
                        pointer(weight),
                        eps,
                        Matrix.of(y),
                        ALL_THREADS,
                        message,
                        message.length);
        check(status, message);
    }

    void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y) {
        Shape shape = x.getShape();
        byte[] message = new byte[MESSAGE_SIZE];
        int status =
                api.pbs_layer_rotate(
                        code(x),
                        shape.get(0),
                        shape.get(1),
                        shape.get(2),
                        Heads.of(x),
                        pointer(cosines),
                        pointer(sines),
                        Heads.of(y),
                        ALL_THREADS,
                        message,
                        message.length);
        check(status, message);
    }

    void gate(NDArray gate, NDArray up, NDArray y) {
        byte[] message = new byte[MESSAGE_SIZE];
        int status =
                api.pbs_layer_gate(
                        Matrix.of(gate),
                        Matrix.of(up),
                        Matrix.of(y),
                        ALL_THREADS,
                        message,
                        message.length);
        check(status, message);
    }

    /** One query row of each head (heads, headDim); keys and values (numKvHeads, keys, headDim). */
    void attendRow(NDArray q, NDArray k, NDArray v, double softmaxScale, NDArray o) {
        Shape shape = k.getShape();
        byte[] message = new byte[MESSAGE_SIZE];
        int status =
                api.pbs_layer_attend_row(
                        q.getShape().get(0),
                        shape.get(0),
                        shape.get(1),
                        shape.get(2),
                        softmaxScale,
                        Matrix.of(q),
                        Heads.of(k),
                        Heads.of(v),
                        Matrix.of(o),
                        ALL_THREADS,
                        message,
                        message.length);
        check(status, message);
    }

    private static void check(int status, byte[] message) {
        if (status == STATUS_INVALID_ARGUMENT) {
            throw new IllegalArgumentException(Native.toString(message));
        }
        if (status != 0) {
            throw new IllegalStateException(
                    "layer kernel, status " + status + ": " + Native.toString(message));
        }
    }

    private static Pointer pointer(NDArray array) {
        return new Pointer(LibTorch.get().dataPointer(array));
    }

    private static int code(NDArray array) {
        return TorchType.of(array) == TorchType.FLOAT32 ? 0 : 1;
    }

    /** As {@code pbs_layer.h} has them. */
    interface Api extends Library {

        int pbs_attn_abi_version();

        String pbs_attn_isa();

        long pbs_layer_max_linear_rows();

        int pbs_layer_linear(LinearCall call, byte[] message, long messageSize);

        int pbs_layer_rms_norm(
                Matrix x,
                Pointer weight,
                double eps,
                Matrix y,
                int numThreads,
                byte[] message,
                long messageSize);

        int pbs_layer_rotate(
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

        int pbs_layer_attend_row(
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

        int pbs_layer_gate(
                Matrix gate, Matrix up, Matrix y, int numThreads, byte[] message, long messageSize);
    }

    /** struct pbs_layer_matrix. */
    @FieldOrder({"data", "rows", "cols", "rowStride", "dtype"})
    public static class Matrix extends Structure {
        public Pointer data;
        public long rows;
        public long cols;
        public long rowStride;
        public int dtype;

        static Matrix of(NDArray array) {
            Matrix matrix = new Matrix();
            matrix.set(array);
            return matrix;
        }

        /** Describes an array (rows, cols) whose rows lie side by side. */
        final void set(NDArray array) {
            data = pointer(array);
            rows = array.getShape().get(0);
            cols = array.getShape().get(1);
            // A single row has no next one, and a view's stride of it may be anything.
            rowStride = rows == 1 ? cols : LibTorch.get().strides(array)[0];
            dtype = code(array);
        }
    }

    /** struct pbs_attn_tensor for (heads, rows, headDim). */
    @FieldOrder({"data", "batchStride", "headStride", "rowStride"})
    public static final class Heads extends Structure {
        public Pointer data;
        public long batchStride;
        public long headStride;
        public long rowStride;

        static Heads of(NDArray array) {
            long[] strides = LibTorch.get().strides(array);
            Heads heads = new Heads();
            heads.data = pointer(array);
            heads.headStride = strides[0];
            heads.rowStride = strides[1];
            return heads;
        }
    }

    /** struct pbs_layer_linear_call. */
    @FieldOrder({
        "structSize",
        "combine",
        "numWeights",
        "numThreads",
        "x",
        "weights",
        "biases",
        "outputs"
    })
    public static final class LinearCall extends Structure {
        public int structSize;
        public int combine;
        public int numWeights;
        public int numThreads;
        public Matrix x;
        public Matrix[] weights = new Matrix[MAX_WEIGHTS];
        public Pointer[] biases = new Pointer[MAX_WEIGHTS];
        public Matrix[] outputs = new Matrix[MAX_WEIGHTS];

        LinearCall(int combine, NDArray x) {
            this.combine = combine;
            this.x = Matrix.of(x);
            for (int i = 0; i < MAX_WEIGHTS; ++i) {
                weights[i] = new Matrix();
                outputs[i] = new Matrix();
            }
        }

        void add(Linear layer) {
            weights[numWeights].set(layer.weight());
            biases[numWeights] = layer.bias() == null ? null : pointer(layer.bias());
            ++numWeights;
        }
    }

    /** Loads the library when it is first asked for. */
    private static final class Holder {

        static String reason;
        static final NativeLayer INSTANCE = load();

        private static NativeLayer load() {
            try {
                Api api = Native.load(NativeLibraryFile.unpack("cpu").toString(), Api.class);
                if (api.pbs_attn_abi_version() != ABI_VERSION) {
                    reason = "the native library has another interface version";
                } else if (api.pbs_attn_isa() == null) {
                    reason = "PBS_ATTN_ISA names no instruction set of this build and CPU";
                } else {
                    return new NativeLayer(api);
                }
            } catch (BackendUnavailableException | UnsatisfiedLinkError e) {
                reason = e.getMessage();
            }
            return null;
        }
    }
}

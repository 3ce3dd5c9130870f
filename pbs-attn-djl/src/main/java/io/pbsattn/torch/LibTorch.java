package io.pbsattn.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.LibUtils;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * libtorch by its C ABI: what DJL's PyTorch engine has inside and does not show. Addresses of
 * arrays, bfloat16, arrays on foreign memory, and any operator.
 *
 * <p>It works on the library that DJL has loaded, so arrays of both sides are the same.
 */
public final class LibTorch {

    private static final int CPU = 0;
    static final int CUDA = 1;

    /** The device of tensors that have a shape and a type, but no elements. */
    static final int META = 14;

    private final CppHeap heap;
    private final Map<String, Pointer> names = new ConcurrentHashMap<>();

    private LibTorch(CppHeap heap) {
        this.heap = heap;
    }

    /**
     * Returns the library that DJL's PyTorch engine runs on, starting the engine if it is not yet
     * running.
     *
     * @return the only instance
     * @throws IllegalStateException if the engine or its library is not to be had
     */
    public static LibTorch get() {
        return Holder.INSTANCE;
    }

    /**
     * Returns libtorch's version.
     *
     * @return such as 2.7.1
     */
    public String version() {
        return Engine.getEngine("PyTorch").getVersion();
    }

    /**
     * Returns the address of an array's first element.
     *
     * @param array an open array of the PyTorch engine
     * @return the address on the array's device; valid while the array, or a view of it, is open.
     *     What reads it on the CPU takes {@link #hostPointer}
     */
    public long dataPointer(NDArray array) {
        long[] pointer = new long[1];
        check(
                "aoti_torch_get_data_ptr",
                LibTorchApi.aoti_torch_get_data_ptr(handle(array), pointer));
        return pointer[0];
    }

    /**
     * Returns where an array's first element is in the memory of this process: what C code on the
     * CPU may be given.
     *
     * @param array an open array of the PyTorch engine on the CPU
     * @return the address; valid while the array, or a view of it, is open
     * @throws IllegalArgumentException if the array is on another device
     */
    public Pointer hostPointer(NDArray array) {
        requireCpu("an array", array.getDevice());
        return new Pointer(dataPointer(array));
    }

    private static void requireCpu(String what, Device device) {
        if (!Device.Type.CPU.equals(device.getDeviceType())) {
            throw new IllegalArgumentException(
                    "device: expected " + what + " on cpu(), found one on " + device);
        }
    }

    /**
     * Returns an array's strides.
     *
     * @param array an open array of the PyTorch engine
     * @return elements from one index to the next, for each dimension
     */
    public long[] strides(NDArray array) {
        long[] dim = new long[1];
        check("aoti_torch_get_dim", LibTorchApi.aoti_torch_get_dim(handle(array), dim));
        long[] strides = new long[1];
        check("aoti_torch_get_strides", LibTorchApi.aoti_torch_get_strides(handle(array), strides));
        int n = Math.toIntExact(dim[0]);
        return n == 0 ? new long[0] : new Pointer(strides[0]).getLongArray(0, n);
    }

    /**
     * Returns an array's element type, bfloat16 included.
     *
     * @param array an open array of the PyTorch engine
     * @return its type
     */
    public TorchType type(NDArray array) {
        int[] code = new int[1];
        check("aoti_torch_get_dtype", LibTorchApi.aoti_torch_get_dtype(handle(array), code));
        return TorchType.ofCode(code[0]);
    }

    /**
     * Makes a contiguous array whose elements are not set.
     *
     * @param manager a manager of the PyTorch engine, which will own the array
     * @param shape its shape
     * @param type its element type
     * @return the array, on the manager's device
     */
    public NDArray empty(NDManager manager, Shape shape, TorchType type) {
        return empty(manager, shape, type, manager.getDevice());
    }

    /**
     * Makes a contiguous array whose elements are not set.
     *
     * @param manager a manager of the PyTorch engine, which will own the array
     * @param shape its shape
     * @param type its element type
     * @param device where its elements are, whatever the manager's device is
     * @return the array
     */
    public NDArray empty(NDManager manager, Shape shape, TorchType type, Device device) {
        return empty(manager, shape, type, deviceType(device), Math.max(0, device.getDeviceId()));
    }

    private NDArray empty(
            NDManager manager, Shape shape, TorchType type, int deviceType, int deviceIndex) {
        long[] tensor = new long[1];
        check(
                "aoti_torch_empty_strided",
                LibTorchApi.aoti_torch_empty_strided(
                        shape.dimension(),
                        shape.getShape(),
                        contiguousStrides(shape),
                        type.code(),
                        deviceType,
                        deviceIndex,
                        tensor));
        return new PtNDArray((PtNDManager) manager, tensor[0]);
    }

    /**
     * Makes a contiguous array of zeros.
     *
     * @param manager a manager of the PyTorch engine, which will own the array
     * @param shape its shape
     * @param type its element type
     * @return the array, on the manager's device
     */
    public NDArray zeros(NDManager manager, Shape shape, TorchType type) {
        NDArray array = empty(manager, shape, type);
        check("aoti_torch_zero_", LibTorchApi.aoti_torch_zero_(handle(array)));
        return array;
    }

    /**
     * Makes an array that has no elements, to stand where a result could not be computed: operators
     * that need its elements, and whoever reads it or what was made of it, get an error.
     *
     * @param manager a manager of the PyTorch engine, which will own the array
     * @param shape the shape that the result would have
     * @param type its element type
     * @return an array on PyTorch's device "meta"
     */
    public NDArray unreadable(NDManager manager, Shape shape, TorchType type) {
        return empty(manager, shape, type, META, 0);
    }

    /**
     * Makes an array on memory that belongs to somebody else, without a copy.
     *
     * <p>The array holds on to the buffer, but views of the array do not: keep the array or the
     * buffer reachable while a view is in use.
     *
     * @param manager a manager of the PyTorch engine on the CPU, which will own the array
     * @param memory a direct or mapped buffer; its bytes from position to limit are the elements,
     *     in native byte order
     * @param shape the array's shape
     * @param type the element type
     * @return the array
     * @throws IllegalArgumentException if the buffer is not direct, its size does not fit, or the
     *     manager is on another device
     */
    public NDArray wrap(NDManager manager, ByteBuffer memory, Shape shape, TorchType type) {
        requireCpu("a manager", manager.getDevice());
        long bytes = Math.multiplyExact(shape.size(), type.bytes());
        if (!memory.isDirect() || memory.remaining() != bytes) {
            throw new IllegalArgumentException(
                    "memory: expected a direct buffer of "
                            + bytes
                            + " bytes for "
                            + type
                            + " "
                            + shape
                            + ", found "
                            + (memory.isDirect() ? "" : "a heap buffer of ")
                            + memory.remaining());
        }
        long[] tensor = new long[1];
        check(
                "aoti_torch_create_tensor_from_blob",
                LibTorchApi.aoti_torch_create_tensor_from_blob(
                        Native.getDirectBufferPointer(memory.slice()),
                        shape.dimension(),
                        shape.getShape(),
                        contiguousStrides(shape),
                        0,
                        type.code(),
                        CPU,
                        0,
                        tensor));
        return new PtNDArray((PtNDManager) manager, tensor[0], memory);
    }

    /**
     * Makes another array of the same elements. They stay where they are until both are closed: a
     * call that holds its arrays in this way survives that somebody closes them meanwhile.
     *
     * @param manager a manager of the PyTorch engine, which will own the new array
     * @param array an open array of the PyTorch engine
     * @return an array of its own on the same memory
     */
    public NDArray hold(NDManager manager, NDArray array) {
        return new PtNDArray((PtNDManager) manager, newHandle(array));
    }

    /**
     * Gives an array to another owner, or closes it where that has been closed: nobody else would.
     *
     * @param array an array of the PyTorch engine
     * @param owner a manager of the PyTorch engine
     * @throws IllegalStateException if the owner has been closed
     */
    public static void handOver(NDArray array, NDManager owner) {
        try {
            array.attach(owner);
        } catch (IllegalStateException e) {
            array.close();
            throw e;
        }
    }

    /** A handle that keeps an array's elements until somebody deletes it. */
    private static long newHandle(NDArray array) {
        long[] copy = new long[1];
        check(
                "aoti_torch_new_tensor_handle",
                LibTorchApi.aoti_torch_new_tensor_handle(handle(array), copy));
        return copy[0];
    }

    /**
     * Copies an array's elements into another array or view, converting their type.
     *
     * @param source the array to read
     * @param target an array of the same shape, which is overwritten
     */
    public void copy(NDArray source, NDArray target) {
        // Both are held: a copy of many elements takes its time.
        long from = newHandle(source);
        try {
            long to = newHandle(target);
            try {
                check("aoti_torch_copy_", LibTorchApi.aoti_torch_copy_(to, from, 0));
            } finally {
                LibTorchApi.aoti_torch_delete_tensor_object(to);
            }
        } finally {
            LibTorchApi.aoti_torch_delete_tensor_object(from);
        }
    }

    /**
     * Converts an array to another element type; the safe way to and from bfloat16. Rounds to
     * nearest, ties to even.
     *
     * @param manager a manager of the PyTorch engine, which will own the result
     * @param array the array
     * @param type the type to convert to
     * @return a new contiguous array
     */
    public NDArray toType(NDManager manager, NDArray array, TorchType type) {
        NDArray result = empty(manager, array.getShape(), type);
        copy(array, result);
        return result;
    }

    /**
     * Tells why no array can be on a GPU.
     *
     * @return the reason and what helps, or empty if libtorch is built with CUDA
     */
    public Optional<String> cudaRefusal() {
        Path library = cudaLibrary();
        return Files.exists(library)
                ? Optional.empty()
                : Optional.of(
                        "libtorch "
                                + version()
                                + " in "
                                + library.getParent()
                                + " is built without CUDA; take pytorch-native-cpu off the class"
                                + " path and set PYTORCH_FLAVOR=cu128, or name a CUDA build of the"
                                + " same version in PYTORCH_LIBRARY_PATH");
    }

    /**
     * Returns the CUDA stream that PyTorch uses now on the calling thread.
     *
     * @param deviceIndex number of the GPU
     * @return a cudaStream_t, which a CUstream is too; 0 is the default stream
     * @throws IllegalStateException if libtorch is built without CUDA or does not tell
     */
    public long currentCudaStream(int deviceIndex) {
        PointerByReference stream = new PointerByReference();
        try {
            check(
                    "aoti_torch_get_current_cuda_stream",
                    CudaHolder.API.aoti_torch_get_current_cuda_stream(deviceIndex, stream));
        } catch (LinkageError e) {
            throw new IllegalStateException(
                    cudaRefusal()
                            .orElse(
                                    "libtorch: aoti_torch_get_current_cuda_stream is not to be had"
                                            + " in "
                                            + cudaLibrary()
                                            + ": "
                                            + e.getMessage()),
                    e);
        }
        return Pointer.nativeValue(stream.getValue());
    }

    private static Path cudaLibrary() {
        return Path.of(LibUtils.getLibtorchPath(), System.mapLibraryName("torch_cuda"));
    }

    /**
     * Calls an operator of PyTorch by its name.
     *
     * @param manager a manager of the PyTorch engine, which will own the results
     * @param operator such as {@code aten::linear}
     * @param overload such as {@code dtype}, "" for the one without a name
     * @param numOutputs the number of tensors that it returns
     * @param args all arguments in the operator's order, defaults included: {@link NDArray}, {@link
     *     TorchType}, {@link Long}, {@link Double}, {@link Boolean}, or null for an optional
     *     argument that is left out, or {@link Optional} of one of these for an optional argument
     * @return the results
     * @throws IllegalArgumentException if an argument is of another kind
     * @throws IllegalStateException if the operator fails; PyTorch prints why to standard error
     */
    public NDArray[] call(
            NDManager manager, String operator, String overload, int numOutputs, Object... args) {
        long[] stack = dispatch(operator, overload, numOutputs, args);
        NDArray[] results = new NDArray[numOutputs];
        for (int i = 0; i < numOutputs; ++i) {
            results[i] = new PtNDArray((PtNDManager) manager, stack[i]);
        }
        return results;
    }

    /**
     * Calls an operator of PyTorch whose only result is an integer.
     *
     * @param operator such as {@code aten::_fused_sdp_choice}
     * @param overload "" for the one without a name
     * @param args as in {@link #call}
     * @return the result
     * @throws IllegalArgumentException if an argument is of a kind that cannot be passed
     * @throws IllegalStateException if the operator fails; PyTorch prints why to standard error
     */
    public long callForInteger(String operator, String overload, Object... args) {
        return dispatch(operator, overload, 1, args)[0];
    }

    /**
     * Calls an operator of PyTorch of whose results, not all of them tensors, only the first is
     * wanted.
     *
     * @param manager a manager of the PyTorch engine, which will own the result
     * @param operator such as {@code aten::_scaled_dot_product_flash_attention}
     * @param overload "" for the one without a name
     * @param results a letter for each result: T for a tensor, such as the first, i for an integer
     * @param args as in {@link #call}
     * @return the first result
     * @throws IllegalArgumentException if an argument is of a kind that cannot be passed
     * @throws IllegalStateException if the operator fails; PyTorch prints why to standard error
     */
    public NDArray callForFirst(
            NDManager manager, String operator, String overload, String results, Object... args) {
        long[] stack = dispatch(operator, overload, results.length(), args);
        for (int i = 1; i < results.length(); ++i) {
            if (results.charAt(i) == 'T') {
                new PtNDArray((PtNDManager) manager, stack[i]).close();
            }
        }
        return new PtNDArray((PtNDManager) manager, stack[0]);
    }

    /**
     * Puts an operator written in Java in the place of one of PyTorch's, for the whole process and
     * for good. Do so before other threads call that operator.
     *
     * <p>No exception of Java can pass through libtorch. If the new operator throws, what it throws
     * is logged, and its result is {@link #unreadable}.
     *
     * @param name the operator's name in the namespace {@code aten}, with its overload if it has
     *     one
     * @param dispatchKey the device whose kernel is replaced: {@code CPU} or {@code CUDA}
     * @param signature the kinds of all its arguments, at least one of them a tensor
     * @param operator what runs instead
     * @throws IllegalStateException if libtorch refuses
     */
    public void replace(
            String name, String dispatchKey, List<ArgumentKind> signature, JavaOperator operator) {
        JavaKernel kernel = new JavaKernel(heap, signature, operator);
        JavaKernel.KEPT.add(kernel);
        long[] library = new long[1];
        check(
                "aoti_torch_library_init_impl",
                LibTorchApi.aoti_torch_library_init_impl(
                        "aten", dispatchKey, LibTorch.class.getName(), 0, library));
        check(
                "aoti_torch_library_impl of " + name,
                LibTorchApi.aoti_torch_library_impl(library[0], name, kernel));
    }

    /**
     * Tells whether this thread records gradients.
     *
     * @return true if operations on arrays with gradients are recorded
     */
    public boolean recordsGradients() {
        return LibTorchApi.aoti_torch_grad_mode_is_enabled();
    }

    private long[] dispatch(String operator, String overload, int numOutputs, Object... args) {
        for (Object arg : args) {
            requireKnown(operator, arg);
        }
        long[] stack = new long[Math.max(args.length, numOutputs)];
        for (int i = 0; i < args.length; ++i) {
            stack[i] = toStackValue(args[i]);
        }
        check(
                operator,
                LibTorchApi.aoti_torch_call_dispatcher(name(operator), name(overload), stack));
        return stack;
    }

    /** A name in C's form; there are few, and each is made once. */
    private Pointer name(String name) {
        return names.computeIfAbsent(
                name,
                text -> {
                    Memory memory = new Memory(text.length() + 1L);
                    memory.setString(0, text, "US-ASCII");
                    return memory;
                });
    }

    private static void requireKnown(String operator, Object arg) {
        if (arg instanceof Optional<?> given) {
            requireKnown(operator, given.orElse(null));
            return;
        }
        boolean known =
                arg == null
                        || arg instanceof NDArray
                        || arg instanceof TorchType
                        || arg instanceof Long
                        || arg instanceof Double
                        || arg instanceof Boolean;
        if (!known) {
            throw new IllegalArgumentException(
                    operator + ": an argument of " + arg.getClass() + " cannot be passed");
        }
    }

    private long toStackValue(Object arg) {
        if (arg instanceof Optional<?> optional) {
            // An optional argument that is given stands behind a pointer, which libtorch frees.
            return optional.map(given -> heap.box(toStackValue(given))).orElse(0L);
        }
        if (arg instanceof NDArray array) {
            // The operator takes over the handle that it is given, so it gets one of its own.
            return newHandle(array);
        }
        if (arg instanceof TorchType type) {
            return type.code();
        }
        if (arg instanceof Double number) {
            return Double.doubleToRawLongBits(number);
        }
        if (arg instanceof Boolean flag) {
            return flag ? 1 : 0;
        }
        return arg == null ? 0 : (Long) arg;
    }

    private static long[] contiguousStrides(Shape shape) {
        long[] strides = new long[shape.dimension()];
        long stride = 1;
        for (int i = strides.length - 1; i >= 0; --i) {
            strides[i] = stride;
            stride *= Math.max(1, shape.get(i));
        }
        return strides;
    }

    private static int deviceType(Device device) {
        return device.isGpu() ? CUDA : CPU;
    }

    static long handle(NDArray array) {
        if (array instanceof PtNDArray tensor) {
            return tensor.getHandle();
        }
        throw new IllegalArgumentException(
                "expected an array of the PyTorch engine, found " + array.getClass().getName());
    }

    static void check(String call, int status) {
        if (status != 0) {
            throw new IllegalStateException("libtorch: " + call + " failed with status " + status);
        }
    }

    /** Loads the CUDA part when it is first asked for. */
    private static final class CudaHolder {

        static final LibTorchCudaApi API =
                Native.load(cudaLibrary().toString(), LibTorchCudaApi.class);
    }

    /** Loads the library when it is first asked for. */
    private static final class Holder {

        static final LibTorch INSTANCE = load();

        private static LibTorch load() {
            Engine.getEngine("PyTorch");
            Path library = Path.of(LibUtils.getLibtorchPath(), System.mapLibraryName("torch_cpu"));
            try {
                NativeLibrary torch = NativeLibrary.getInstance(library.toString());
                Native.register(LibTorchApi.class, torch);
                return new LibTorch(new CppHeap(torch));
            } catch (UnsatisfiedLinkError e) {
                throw new IllegalStateException(
                        "libtorch's C ABI is not to be had in " + library, e);
            }
        }
    }
}

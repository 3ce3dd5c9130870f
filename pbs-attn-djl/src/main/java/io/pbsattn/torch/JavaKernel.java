package io.pbsattn.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import com.sun.jna.Pointer;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands between libtorch and an operator in Java: takes over the arguments' handles, gives the
 * result's away, and lets nothing be thrown into libtorch.
 */
final class JavaKernel implements LibTorchApi.BoxedKernel {

    /** libtorch keeps their addresses for good, so the collector must not have them. */
    static final Queue<JavaKernel> KEPT = new ConcurrentLinkedQueue<>();

    private static final int FLOAT32 = TorchType.FLOAT32.code();

    private static final Logger logger = LoggerFactory.getLogger(JavaKernel.class);

    private final CppHeap heap;
    private final List<ArgumentKind> signature;
    private final JavaOperator operator;
    private final NDManager manager;

    /**
     * Constructs a kernel.
     *
     * @param signature at least one of them a tensor
     */
    JavaKernel(CppHeap heap, List<ArgumentKind> signature, JavaOperator operator) {
        this.heap = heap;
        this.signature = List.copyOf(signature);
        this.operator = operator;
        manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
    }

    /** {@inheritDoc} */
    @Override
    public void call(Pointer stack, long numArguments, long numOutputs) {
        long[] result = new long[1];
        try (NDManager scope = manager.newSubManager(device(stack))) {
            Object[] arguments = takeArguments(scope, stack, numArguments);
            NDArray array = operator.apply(scope, arguments);
            LibTorch.check(
                    "aoti_torch_new_tensor_handle",
                    LibTorchApi.aoti_torch_new_tensor_handle(LibTorch.handle(array), result));
            array.close();
        } catch (Throwable e) {
            logger.error("An operator in Java failed; its result has no elements to read", e);
            LibTorchApi.aoti_torch_empty_strided(
                    0, new long[0], new long[0], FLOAT32, LibTorch.META, 0, result);
        }
        stack.setLong(0, result[0]);
    }

    /** Where the first array is, and the result is to be. */
    private Device device(Pointer stack) {
        long tensor = stack.getLong(8L * signature.indexOf(ArgumentKind.TENSOR));
        int[] type = new int[1];
        int[] index = new int[1];
        LibTorch.check(
                "aoti_torch_get_device_type", LibTorchApi.aoti_torch_get_device_type(tensor, type));
        LibTorch.check(
                "aoti_torch_get_device_index",
                LibTorchApi.aoti_torch_get_device_index(tensor, index));
        return type[0] == LibTorch.CUDA ? Device.gpu(index[0]) : Device.cpu();
    }

    private Object[] takeArguments(NDManager scope, Pointer stack, long numArguments) {
        if (numArguments != signature.size()) {
            throw new IllegalStateException(
                    "expected " + signature.size() + " arguments, found " + numArguments);
        }
        Object[] arguments = new Object[signature.size()];
        for (int i = 0; i < arguments.length; ++i) {
            arguments[i] = take(scope, signature.get(i), stack.getLong(8L * i));
        }
        return arguments;
    }

    private Object take(NDManager scope, ArgumentKind kind, long value) {
        return switch (kind) {
            case TENSOR -> new PtNDArray((PtNDManager) scope, value);
            case NUMBER -> Double.longBitsToDouble(value);
            // Only the lowest byte is set.
            case FLAG -> (value & 0xff) != 0;
            case OPTIONAL_TENSOR -> takeOptional(scope, ArgumentKind.TENSOR, value);
            case OPTIONAL_NUMBER -> takeOptional(scope, ArgumentKind.NUMBER, value);
        };
    }

    private Optional<Object> takeOptional(NDManager scope, ArgumentKind kind, long pointer) {
        return pointer == 0
                ? Optional.empty()
                : Optional.of(take(scope, kind, heap.unbox(pointer)));
    }
}

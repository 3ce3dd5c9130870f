package io.pbsattn.examples.bench;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;

/** libtorch's product of two square matrices: what the machine gives, to measure kernels by. */
public final class GemmBenchmark implements AutoCloseable {

    private static final int SIZE = 4096;

    private final NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
    private final NDArray matrix;

    public GemmBenchmark(TorchType type) {
        try (NDArray float32 = manager.randomNormal(new Shape(SIZE, SIZE))) {
            matrix = LibTorch.get().toType(manager, float32, type);
        }
    }

    /** Returns the wall time of one product, in seconds. */
    public double seconds() {
        return Timing.seconds(() -> matrix.matMul(matrix).close());
    }

    /** Returns the rate of a product that took so many seconds. */
    public static double gflops(double seconds) {
        return 2.0 * SIZE * SIZE * SIZE / seconds / 1e9;
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        manager.close();
    }
}

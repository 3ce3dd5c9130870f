package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * One call on a stream: its context is current, and what it allocates is released when it is
 * closed, in reverse order and whatever happened before.
 */
final class DeviceScope implements AutoCloseable {

    private final CudaDevice device;
    private final CudaCheck check;
    private final CudaDriver driver;
    private final long stream;
    private final CudaDevice.Current current;
    private final Deque<Runnable> releases = new ArrayDeque<>();

    DeviceScope(CudaDevice device, long stream) {
        this.device = device;
        this.stream = stream;
        check = device.check();
        driver = check.driver();
        current = device.current();
    }

    /**
     * Allocates memory that lives until the scope is closed.
     *
     * @param bytes its size
     * @return its address, a multiple of 256
     */
    long allocate(long bytes) {
        long address = device.allocate(bytes, stream);
        releases.push(
                () ->
                        check.ok(
                                driver.cuMemFreeAsync(address, stream),
                                "cuMemFreeAsync",
                                "releasing the workspace"));
        return address;
    }

    /**
     * Makes an event and records it on the stream.
     *
     * @return its handle
     */
    long record() {
        long[] event = new long[1];
        check.ok(driver.cuEventCreate(event), "cuEventCreate", "timing a stage");
        releases.push(
                () ->
                        check.ok(
                                driver.cuEventDestroy(event[0]),
                                "cuEventDestroy",
                                "timing a stage"));
        check.ok(driver.cuEventRecord(event[0], stream), "cuEventRecord", "timing a stage");
        return event[0];
    }

    /** Seconds between two recorded events; the stream has to have passed both. */
    double seconds(long start, long end) {
        float[] milliseconds = new float[1];
        check.ok(
                driver.cuEventElapsedTime(milliseconds, start, end),
                "cuEventElapsedTime",
                "timing a stage");
        return milliseconds[0] / 1e3;
    }

    void clear(long address, long bytes) {
        check.ok(
                driver.cuMemsetD8Async(address, (byte) 0, bytes, stream),
                "cuMemsetD8Async",
                "clearing counters");
    }

    /** Copies a direct buffer to the device. */
    void upload(ByteBuffer source, long address, String what) {
        check.ok(
                driver.cuMemcpyHtoDAsync(address, source, source.capacity(), stream),
                "cuMemcpyHtoDAsync",
                "copying " + what + " to the GPU");
    }

    /** Copies from the device into a direct buffer; there after {@link #synchronize}. */
    void download(ByteBuffer target, long address, String what) {
        check.ok(
                driver.cuMemcpyDtoHAsync(target, address, target.capacity(), stream),
                "cuMemcpyDtoHAsync",
                "copying " + what + " from the GPU");
    }

    /** Launches a kernel. */
    void launch(Launch launch, ByteBuffer... parameters) {
        check.ok(
                driver.cuLaunchKernel(
                        device.function(launch.kernel()),
                        launch.grid(),
                        new Dim3(launch.threads(), 1, 1),
                        launch.sharedBytes(),
                        stream,
                        parameters),
                "cuLaunchKernel",
                "launching " + launch.kernel());
    }

    /** Encodes a tensor map. */
    ByteBuffer encode(TensorMap map) {
        ByteBuffer encoded = TensorMap.buffer();
        check.ok(
                driver.cuTensorMapEncodeTiled(encoded, map),
                "cuTensorMapEncodeTiled",
                "describing " + map);
        return encoded;
    }

    /** Waits until the stream has done everything; failures of kernels show up here. */
    void synchronize() {
        check.ok(driver.cuStreamSynchronize(stream), "cuStreamSynchronize", "running the kernels");
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        Failures failures = new Failures();
        while (!releases.isEmpty()) {
            failures.run(releases.pop());
        }
        failures.run(current::close);
        failures.throwFirst();
    }
}

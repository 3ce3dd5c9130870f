package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;

/**
 * One call on a stream: its context is current, and what it allocates is released when it is
 * closed, in reverse order and whatever happened before.
 */
final class DeviceScope implements AutoCloseable {

    private final CudaDevice device;
    private final CudaDriver driver;
    private final long stream;
    private final Releases releases = new Releases();

    DeviceScope(CudaDevice device, long stream) {
        this.device = device;
        this.stream = stream;
        driver = device.driver();
        CudaDevice.Current current = device.current();
        releases.push(current::close);
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
                        driver.check(
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
        driver.check(driver.cuEventCreate(event), "cuEventCreate", "timing a stage");
        releases.push(
                () ->
                        driver.check(
                                driver.cuEventDestroy(event[0]),
                                "cuEventDestroy",
                                "timing a stage"));
        driver.check(driver.cuEventRecord(event[0], stream), "cuEventRecord", "timing a stage");
        return event[0];
    }

    /** Seconds between two recorded events; the stream has to have passed both. */
    double seconds(long start, long end) {
        float[] milliseconds = new float[1];
        driver.check(
                driver.cuEventElapsedTime(milliseconds, start, end),
                "cuEventElapsedTime",
                "timing a stage");
        return milliseconds[0] / 1e3;
    }

    void clear(long address, long bytes) {
        driver.check(
                driver.cuMemsetD8Async(address, (byte) 0, bytes, stream),
                "cuMemsetD8Async",
                "clearing counters");
    }

    /** Copies a direct buffer to the device. */
    void upload(ByteBuffer source, long address, String what) {
        driver.check(
                driver.cuMemcpyHtoDAsync(address, source, source.capacity(), stream),
                "cuMemcpyHtoDAsync",
                "copying " + what + " to the GPU");
    }

    /** Copies from the device into a direct buffer; there after {@link #synchronize}. */
    void download(ByteBuffer target, long address, String what) {
        driver.check(
                driver.cuMemcpyDtoHAsync(target, address, target.capacity(), stream),
                "cuMemcpyDtoHAsync",
                "copying " + what + " from the GPU");
    }

    /** Launches a kernel. */
    void launch(Launch launch, ByteBuffer... parameters) {
        driver.check(
                driver.cuLaunchKernel(device.function(launch.kernel()), launch, stream, parameters),
                "cuLaunchKernel",
                "launching " + launch.kernel());
    }

    /** Encodes a tensor map. */
    ByteBuffer encode(TensorMap map) {
        ByteBuffer encoded = TensorMap.buffer();
        driver.check(
                driver.cuTensorMapEncodeTiled(encoded, map),
                "cuTensorMapEncodeTiled",
                "describing " + map);
        return encoded;
    }

    /** Waits until the stream has done everything; failures of kernels show up here. */
    void synchronize() {
        driver.check(
                driver.cuStreamSynchronize(stream), "cuStreamSynchronize", "running the kernels");
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        releases.close();
    }
}

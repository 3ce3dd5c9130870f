package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;

/**
 * The calls of the CUDA driver that this backend makes, named as the driver names them.
 *
 * <p>Each answers a CUresult: 0, or the code of a failure, which {@link #check} turns into an
 * exception. Handles, device addresses and streams are plain numbers. Results come back in the
 * first element of an array, as in the driver. Byte buffers are direct, so that nothing moves while
 * the driver reads or writes them.
 */
interface CudaDriver {

    /** The attribute of {@link #cuFuncSetAttribute} for dynamic shared memory over 48 KiB. */
    int FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;

    /** An attribute of {@link #cuDeviceGetAttribute}: number of streaming multiprocessors. */
    int DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16;

    /** An attribute of {@link #cuDeviceGetAttribute}: the 9 of compute capability 9.0. */
    int DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75;

    /** An attribute of {@link #cuDeviceGetAttribute}: the 0 of compute capability 9.0. */
    int DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76;

    /** An attribute of {@link #cuDeviceGetAttribute}: shared memory that a block may ask for. */
    int DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97;

    /** An attribute of {@link #cuDeviceGetAttribute}: 1 where there are stream-ordered pools. */
    int DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED = 115;

    /**
     * Throws unless a call succeeded.
     *
     * @param code what the call answered
     * @param call its name
     * @param purpose what was being done: "loading the kernels"
     * @throws CudaException if the code is not 0
     */
    default void check(int code, String call, String purpose) {
        if (code != 0) {
            throw failure(code, call, purpose);
        }
    }

    /** Returns the exception of a call that failed. */
    default CudaException failure(int code, String call, String purpose) {
        return new CudaException(code, errorName(code), call, purpose);
    }

    /** Returns the name of a code, such as CUDA_ERROR_OUT_OF_MEMORY; null if it has none. */
    String errorName(int code);

    int cuInit();

    int cuDriverGetVersion(int[] version);

    int cuDeviceGetCount(int[] count);

    int cuDeviceGet(int[] device, int ordinal);

    int cuDeviceGetName(byte[] name, int device);

    int cuDeviceGetAttribute(int[] value, int attribute, int device);

    int cuDeviceTotalMem(long[] bytes, int device);

    int cuDevicePrimaryCtxRetain(long[] context, int device);

    int cuDevicePrimaryCtxRelease(int device);

    int cuCtxPushCurrent(long context);

    int cuCtxPopCurrent();

    int cuMemGetInfo(long[] free, long[] total);

    /** Loads a cubin, a fatbin, or PTX that ends in a zero byte; the log says what was wrong. */
    int cuModuleLoadDataEx(long[] module, ByteBuffer image, ByteBuffer log);

    int cuModuleUnload(long module);

    int cuModuleGetFunction(long[] function, long module, String name);

    int cuFuncSetAttribute(long function, int attribute, int value);

    int cuMemPoolCreate(long[] pool, int device);

    /** Sets CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, the bytes that the pool keeps when it idles. */
    int cuMemPoolSetAttribute(long pool, long releaseThreshold);

    int cuMemPoolTrimTo(long pool, long bytesToKeep);

    int cuMemPoolDestroy(long pool);

    int cuMemAllocFromPoolAsync(long[] address, long bytes, long pool, long stream);

    int cuMemFreeAsync(long address, long stream);

    int cuMemsetD8Async(long address, byte value, long bytes, long stream);

    int cuMemcpyHtoDAsync(long address, ByteBuffer source, long bytes, long stream);

    int cuMemcpyDtoHAsync(ByteBuffer target, long address, long bytes, long stream);

    int cuEventCreate(long[] event);

    int cuEventRecord(long event, long stream);

    int cuEventElapsedTime(float[] milliseconds, long start, long end);

    int cuEventDestroy(long event);

    int cuStreamSynchronize(long stream);

    /**
     * Describes an array of 16-bit elements to the bulk copy engine.
     *
     * @param map receives the 128 bytes of a CUtensorMap
     * @param box the description
     */
    int cuTensorMapEncodeTiled(ByteBuffer map, TensorMap box);

    /**
     * Launches a kernel.
     *
     * @param function its handle
     * @param launch grid, threads and shared memory
     * @param parameters one buffer for each parameter, which are its bytes
     */
    int cuLaunchKernel(long function, Launch launch, long stream, ByteBuffer... parameters);
}

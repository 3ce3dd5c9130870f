package io.pbsattn.backend.cuda;

import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.ptr.LongByReference;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUfunction;
import jcuda.driver.CUjit_option;
import jcuda.driver.CUmemoryPool;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * The driver through JCuda, and through JNA what JCuda 12.6 lacks.
 *
 * <p>JCuda's classes throw when they are initialised without a driver: make this object only after
 * {@link DriverLibrary} has found one.
 */
final class JCudaDriverBinding implements CudaDriver {

    private static final int CU_MEM_ALLOCATION_TYPE_PINNED = 1;
    private static final int CU_MEM_LOCATION_TYPE_DEVICE = 1;
    private static final int CU_MEMPOOL_ATTR_RELEASE_THRESHOLD = 4;
    private static final int CU_TENSOR_MAP_INTERLEAVE_NONE = 0;
    private static final int CU_TENSOR_MAP_L2_PROMOTION_256B = 3;
    private static final int CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0;

    /** Bytes of CUmemPoolProps. */
    private static final int POOL_PROPERTIES_BYTES = 88;

    /** JCuda gives no way to make a handle of a number that another library gave. */
    private static final VarHandle NATIVE_POINTER = nativePointer();

    private final Missing missing;

    JCudaDriverBinding(String libraryName) {
        JCudaDriver.setExceptionsEnabled(false);
        missing = Native.load(libraryName, Missing.class);
    }

    /** What JCuda 12.6 does not bind, or binds wrongly. */
    interface Missing extends Library {

        int cuDeviceGetName(byte[] name, int length, int device);

        int cuMemPoolCreate(LongByReference pool, com.sun.jna.Pointer properties);

        int cuMemPoolSetAttribute(long pool, int attribute, LongByReference value);

        int cuMemPoolTrimTo(long pool, long bytesToKeep);

        int cuMemPoolDestroy(long pool);

        int cuTensorMapEncodeTiled(
                com.sun.jna.Pointer map,
                int dataType,
                int rank,
                long address,
                long[] dimensions,
                long[] strides,
                int[] box,
                int[] elementStrides,
                int interleave,
                int swizzle,
                int l2Promotion,
                int outOfBoundsFill);
    }

    /** {@inheritDoc} */
    @Override
    public String errorName(int code) {
        String[] name = new String[1];
        if (JCudaDriver.cuGetErrorName(code, name) == 0 && name[0] != null) {
            return name[0];
        }
        return CUresult.stringFor(code);
    }

    /** {@inheritDoc} */
    @Override
    public int cuInit() {
        return JCudaDriver.cuInit(0);
    }

    /** {@inheritDoc} */
    @Override
    public int cuDriverGetVersion(int[] version) {
        return JCudaDriver.cuDriverGetVersion(version);
    }

    /** {@inheritDoc} */
    @Override
    public int cuDeviceGetCount(int[] count) {
        return JCudaDriver.cuDeviceGetCount(count);
    }

    /** {@inheritDoc} */
    @Override
    public int cuDeviceGet(int[] device, int ordinal) {
        CUdevice handle = new CUdevice();
        int code = JCudaDriver.cuDeviceGet(handle, ordinal);
        device[0] = (int) value(handle);
        return code;
    }

    /** {@inheritDoc} */
    @Override
    public int cuDeviceGetName(byte[] name, int device) {
        // JCuda's cuDeviceGetName drops the name where the JVM hands out copies of arrays.
        return missing.cuDeviceGetName(name, name.length, device);
    }

    /** {@inheritDoc} */
    @Override
    public int cuDeviceGetAttribute(int[] value, int attribute, int device) {
        return JCudaDriver.cuDeviceGetAttribute(value, attribute, device(device));
    }

    /** {@inheritDoc} */
    @Override
    public int cuDeviceTotalMem(long[] bytes, int device) {
        return JCudaDriver.cuDeviceTotalMem(bytes, device(device));
    }

    /** {@inheritDoc} */
    @Override
    public int cuDevicePrimaryCtxRetain(long[] context, int device) {
        CUcontext handle = new CUcontext();
        int code = JCudaDriver.cuDevicePrimaryCtxRetain(handle, device(device));
        context[0] = value(handle);
        return code;
    }

    /** {@inheritDoc} */
    @Override
    public int cuDevicePrimaryCtxRelease(int device) {
        return JCudaDriver.cuDevicePrimaryCtxRelease(device(device));
    }

    /** {@inheritDoc} */
    @Override
    public int cuCtxPushCurrent(long context) {
        return JCudaDriver.cuCtxPushCurrent(handle(new CUcontext(), context));
    }

    /** {@inheritDoc} */
    @Override
    public int cuCtxPopCurrent() {
        return JCudaDriver.cuCtxPopCurrent(new CUcontext());
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemGetInfo(long[] free, long[] total) {
        return JCudaDriver.cuMemGetInfo(free, total);
    }

    /** {@inheritDoc} */
    @Override
    public int cuModuleLoadDataEx(long[] module, ByteBuffer image, ByteBuffer log) {
        CUmodule handle = new CUmodule();
        int[] options = {
            CUjit_option.CU_JIT_ERROR_LOG_BUFFER, CUjit_option.CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES
        };
        // Option values are void*: the log's address, and its size in place of an address.
        ByteBuffer values = pointers(address(log), log.capacity());
        try {
            int code =
                    JCudaDriver.cuModuleLoadDataEx(
                            handle, Pointer.to(image), options.length, options, Pointer.to(values));
            module[0] = code == 0 ? value(handle) : 0;
            return code;
        } finally {
            Reference.reachabilityFence(log);
        }
    }

    /** {@inheritDoc} */
    @Override
    public int cuModuleUnload(long module) {
        return JCudaDriver.cuModuleUnload(handle(new CUmodule(), module));
    }

    /** {@inheritDoc} */
    @Override
    public int cuModuleGetFunction(long[] function, long module, String name) {
        CUfunction handle = new CUfunction();
        int code = JCudaDriver.cuModuleGetFunction(handle, handle(new CUmodule(), module), name);
        function[0] = value(handle);
        return code;
    }

    /** {@inheritDoc} */
    @Override
    public int cuFuncSetAttribute(long function, int attribute, int value) {
        return JCudaDriver.cuFuncSetAttribute(handle(new CUfunction(), function), attribute, value);
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemPoolCreate(long[] pool, int device) {
        // JCuda's cuMemPoolCreate writes past the end of the object that it returns the handle in.
        try (Memory properties = new Memory(POOL_PROPERTIES_BYTES)) {
            properties.clear();
            properties.setInt(0, CU_MEM_ALLOCATION_TYPE_PINNED);
            properties.setInt(8, CU_MEM_LOCATION_TYPE_DEVICE);
            properties.setInt(12, device);
            LongByReference handle = new LongByReference();
            int code = missing.cuMemPoolCreate(handle, properties);
            pool[0] = handle.getValue();
            return code;
        }
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemPoolSetAttribute(long pool, long releaseThreshold) {
        return missing.cuMemPoolSetAttribute(
                pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, new LongByReference(releaseThreshold));
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemPoolTrimTo(long pool, long bytesToKeep) {
        return missing.cuMemPoolTrimTo(pool, bytesToKeep);
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemPoolDestroy(long pool) {
        return missing.cuMemPoolDestroy(pool);
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemAllocFromPoolAsync(long[] address, long bytes, long pool, long stream) {
        CUdeviceptr pointer = new CUdeviceptr();
        int code =
                JCudaDriver.cuMemAllocFromPoolAsync(
                        pointer, bytes, handle(new CUmemoryPool(), pool), stream(stream));
        address[0] = code == 0 ? value(pointer) : 0;
        return code;
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemFreeAsync(long address, long stream) {
        return JCudaDriver.cuMemFreeAsync(pointer(address), stream(stream));
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemsetD8Async(long address, byte value, long bytes, long stream) {
        return JCudaDriver.cuMemsetD8Async(pointer(address), value, bytes, stream(stream));
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemcpyHtoDAsync(long address, ByteBuffer source, long bytes, long stream) {
        return JCudaDriver.cuMemcpyHtoDAsync(
                pointer(address), Pointer.to(source), bytes, stream(stream));
    }

    /** {@inheritDoc} */
    @Override
    public int cuMemcpyDtoHAsync(ByteBuffer target, long address, long bytes, long stream) {
        return JCudaDriver.cuMemcpyDtoHAsync(
                Pointer.to(target), pointer(address), bytes, stream(stream));
    }

    /** {@inheritDoc} */
    @Override
    public int cuEventCreate(long[] event) {
        CUevent handle = new CUevent();
        int code = JCudaDriver.cuEventCreate(handle, CUevent_flags.CU_EVENT_DEFAULT);
        event[0] = code == 0 ? value(handle) : 0;
        return code;
    }

    /** {@inheritDoc} */
    @Override
    public int cuEventRecord(long event, long stream) {
        return JCudaDriver.cuEventRecord(handle(new CUevent(), event), stream(stream));
    }

    /** {@inheritDoc} */
    @Override
    public int cuEventElapsedTime(float[] milliseconds, long start, long end) {
        return JCudaDriver.cuEventElapsedTime(
                milliseconds, handle(new CUevent(), start), handle(new CUevent(), end));
    }

    /** {@inheritDoc} */
    @Override
    public int cuEventDestroy(long event) {
        return JCudaDriver.cuEventDestroy(handle(new CUevent(), event));
    }

    /** {@inheritDoc} */
    @Override
    public int cuStreamSynchronize(long stream) {
        return JCudaDriver.cuStreamSynchronize(stream(stream));
    }

    /** {@inheritDoc} */
    @Override
    public int cuTensorMapEncodeTiled(ByteBuffer map, TensorMap box) {
        int rank = box.dimensions().size();
        return missing.cuTensorMapEncodeTiled(
                Native.getDirectBufferPointer(map),
                box.type().tensorMapCode(),
                rank,
                box.address(),
                box.dimensions().stream().mapToLong(Long::longValue).toArray(),
                box.strides().stream().mapToLong(Long::longValue).toArray(),
                new int[] {box.boxColumns(), box.boxRows(), 1, 1},
                new int[] {1, 1, 1, 1},
                CU_TENSOR_MAP_INTERLEAVE_NONE,
                box.swizzle(),
                CU_TENSOR_MAP_L2_PROMOTION_256B,
                CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    }

    /** {@inheritDoc} */
    @Override
    public int cuLaunchKernel(long function, Launch launch, long stream, ByteBuffer... parameters) {
        long[] addresses = new long[parameters.length];
        for (int i = 0; i < parameters.length; ++i) {
            addresses[i] = address(parameters[i]);
        }
        try {
            return JCudaDriver.cuLaunchKernel(
                    handle(new CUfunction(), function),
                    launch.grid().x(),
                    launch.grid().y(),
                    launch.grid().z(),
                    launch.threads(),
                    1,
                    1,
                    launch.sharedBytes(),
                    stream(stream),
                    Pointer.to(pointers(addresses)),
                    null);
        } finally {
            Reference.reachabilityFence(parameters);
        }
    }

    private static VarHandle nativePointer() {
        try {
            return MethodHandles.privateLookupIn(NativePointerObject.class, MethodHandles.lookup())
                    .findVarHandle(NativePointerObject.class, "nativePointer", long.class);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("JCuda is not the version that is expected: " + e, e);
        }
    }

    private static long value(NativePointerObject object) {
        return (long) NATIVE_POINTER.get(object);
    }

    private static <T extends NativePointerObject> T handle(T object, long value) {
        NATIVE_POINTER.set((NativePointerObject) object, value);
        return object;
    }

    private static CUdevice device(int device) {
        return handle(new CUdevice(), device);
    }

    private static CUstream stream(long stream) {
        return handle(new CUstream(), stream);
    }

    private static CUdeviceptr pointer(long address) {
        return handle(new CUdeviceptr(), address);
    }

    private static long address(ByteBuffer buffer) {
        return com.sun.jna.Pointer.nativeValue(Native.getDirectBufferPointer(buffer));
    }

    /** An array of void*. */
    private static ByteBuffer pointers(long... addresses) {
        ByteBuffer buffer =
                ByteBuffer.allocateDirect(Long.BYTES * addresses.length)
                        .order(ByteOrder.nativeOrder());
        buffer.asLongBuffer().put(addresses);
        return buffer;
    }
}

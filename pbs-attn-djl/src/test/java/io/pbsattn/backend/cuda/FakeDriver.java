package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.testng.Assert;

/**
 * A driver of one GPU that computes nothing: it records calls, keeps count of what is held, and
 * fails where it is told to.
 */
class FakeDriver implements CudaDriver {

    /** A kernel launch as it arrived. */
    record Launched(Launch launch, int parameters) {}

    int driverVersion = 12080;
    int gpuCount = 1;
    String gpuName = "NVIDIA H100 80GB HBM3";
    int major = 9;
    int minor;
    int pools = 1;
    long totalBytes = 80L << 30;
    long freeBytes = 70L << 30;
    long[] counters = {7, 0, 0, 0};

    final List<String> calls = new ArrayList<>();
    final List<Launched> launches = new ArrayList<>();
    final List<TensorMap> maps = new ArrayList<>();
    final Map<Long, byte[]> uploads = new HashMap<>();
    byte[] image;

    private final Set<Long> held = new HashSet<>();
    private final Map<Long, String> functions = new HashMap<>();
    private final Map<Long, Long> sharedLimits = new HashMap<>();
    private String failingCall = "";
    private int failingAt;
    private int failure;
    private long next = 0x1000;
    private int contextDepth;

    /** Makes the n-th call of a function, counted from 1, answer a code. */
    FakeDriver failing(String call, int nth, int code) {
        failingCall = call;
        failingAt = nth;
        failure = code;
        return this;
    }

    /** Fails the test if anything is still held. */
    void assertNothingHeld() {
        Assert.assertEquals(held, Set.of(), "held after " + calls);
        Assert.assertEquals(contextDepth, 0, "contexts left current");
    }

    long count(String call) {
        return calls.stream().filter(call::equals).count();
    }

    private int call(String name) {
        calls.add(name);
        if (name.equals(failingCall) && count(name) == failingAt) {
            return failure;
        }
        boolean needsContext =
                !name.startsWith("cuDevice")
                        && !name.startsWith("cuInit")
                        && !name.startsWith("cuDriver")
                        && !name.startsWith("cuCtxPush")
                        && !name.startsWith("cuTensorMap");
        Assert.assertTrue(!needsContext || contextDepth > 0, name + " without a context");
        return 0;
    }

    private int acquire(String name, long[] handle) {
        int code = call(name);
        handle[0] = 0;
        if (code == 0) {
            handle[0] = next += 0x1000;
            held.add(handle[0]);
        }
        return code;
    }

    private int release(String name, long handle) {
        int code = call(name);
        Assert.assertTrue(held.contains(handle), name + " of what is not held");
        held.remove(handle);
        return code;
    }

    @Override
    public String errorName(int code) {
        return code == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : code == 4321 ? null : "CUDA_ERROR_" + code;
    }

    @Override
    public int cuInit() {
        return call("cuInit");
    }

    @Override
    public int cuDriverGetVersion(int[] version) {
        version[0] = driverVersion;
        return call("cuDriverGetVersion");
    }

    @Override
    public int cuDeviceGetCount(int[] count) {
        count[0] = gpuCount;
        return call("cuDeviceGetCount");
    }

    @Override
    public int cuDeviceGet(int[] device, int ordinal) {
        device[0] = ordinal;
        return call("cuDeviceGet");
    }

    @Override
    public int cuDeviceGetName(byte[] name, int device) {
        byte[] bytes = gpuName.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(bytes, 0, name, 0, bytes.length);
        return call("cuDeviceGetName");
    }

    @Override
    public int cuDeviceGetAttribute(int[] value, int attribute, int device) {
        value[0] =
                switch (attribute) {
                    case DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR -> major;
                    case DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR -> minor;
                    case DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT -> 132;
                    case DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN -> 227 << 10;
                    case DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED -> pools;
                    default -> throw new AssertionError("attribute " + attribute);
                };
        return call("cuDeviceGetAttribute");
    }

    @Override
    public int cuDeviceTotalMem(long[] bytes, int device) {
        bytes[0] = totalBytes;
        return call("cuDeviceTotalMem");
    }

    @Override
    public int cuDevicePrimaryCtxRetain(long[] context, int device) {
        int code = call("cuDevicePrimaryCtxRetain");
        context[0] = code == 0 ? 1 : 0;
        if (code == 0) {
            Assert.assertTrue(held.add(1L), "the context is retained once");
        }
        return code;
    }

    @Override
    public int cuDevicePrimaryCtxRelease(int device) {
        return release("cuDevicePrimaryCtxRelease", 1);
    }

    @Override
    public int cuCtxPushCurrent(long context) {
        Assert.assertTrue(held.contains(context), "a context that is not retained");
        int code = call("cuCtxPushCurrent");
        contextDepth += code == 0 ? 1 : 0;
        return code;
    }

    @Override
    public int cuCtxPopCurrent() {
        int code = call("cuCtxPopCurrent");
        --contextDepth;
        return code;
    }

    @Override
    public int cuMemGetInfo(long[] free, long[] total) {
        free[0] = freeBytes;
        total[0] = totalBytes;
        return call("cuMemGetInfo");
    }

    @Override
    public int cuModuleLoadDataEx(long[] module, ByteBuffer bytes, ByteBuffer log) {
        Assert.assertTrue(bytes.isDirect() && bytes.position() == 0, "a direct image");
        Assert.assertTrue(log.isDirect(), "a direct log");
        int code = acquire("cuModuleLoadDataEx", module);
        if (code == 0) {
            image = new byte[bytes.capacity()];
            bytes.get(0, image);
        } else {
            log.put(0, "the log\0".getBytes(StandardCharsets.UTF_8));
        }
        return code;
    }

    @Override
    public int cuModuleUnload(long module) {
        return release("cuModuleUnload", module);
    }

    @Override
    public int cuModuleGetFunction(long[] function, long module, String name) {
        Assert.assertTrue(held.contains(module), "a module that is loaded");
        int code = call("cuModuleGetFunction");
        function[0] = next += 0x1000;
        functions.put(function[0], name);
        return code;
    }

    @Override
    public int cuFuncSetAttribute(long function, int attribute, int value) {
        Assert.assertEquals(attribute, FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
        sharedLimits.put(function, (long) value);
        return call("cuFuncSetAttribute");
    }

    @Override
    public int cuMemPoolCreate(long[] pool, int device) {
        return acquire("cuMemPoolCreate", pool);
    }

    @Override
    public int cuMemPoolSetAttribute(long pool, long releaseThreshold) {
        return call("cuMemPoolSetAttribute");
    }

    @Override
    public int cuMemPoolTrimTo(long pool, long bytesToKeep) {
        return call("cuMemPoolTrimTo");
    }

    @Override
    public int cuMemPoolDestroy(long pool) {
        return release("cuMemPoolDestroy", pool);
    }

    @Override
    public int cuMemAllocFromPoolAsync(long[] address, long bytes, long pool, long stream) {
        Assert.assertTrue(held.contains(pool), "a pool that exists");
        return acquire("cuMemAllocFromPoolAsync", address);
    }

    @Override
    public int cuMemFreeAsync(long address, long stream) {
        return release("cuMemFreeAsync", address);
    }

    @Override
    public int cuMemsetD8Async(long address, byte value, long bytes, long stream) {
        return call("cuMemsetD8Async");
    }

    @Override
    public int cuMemcpyHtoDAsync(long address, ByteBuffer source, long bytes, long stream) {
        Assert.assertTrue(source.isDirect() && source.capacity() == bytes, "a direct source");
        byte[] copy = new byte[(int) bytes];
        source.get(0, copy);
        uploads.put(address, copy);
        return call("cuMemcpyHtoDAsync");
    }

    @Override
    public int cuMemcpyDtoHAsync(ByteBuffer target, long address, long bytes, long stream) {
        Assert.assertTrue(target.isDirect() && target.capacity() == bytes, "a direct target");
        if (bytes == (long) Long.BYTES * counters.length) {
            for (int i = 0; i < counters.length; ++i) {
                target.putLong(Long.BYTES * i, counters[i]);
            }
        }
        return call("cuMemcpyDtoHAsync");
    }

    @Override
    public int cuEventCreate(long[] event) {
        return acquire("cuEventCreate", event);
    }

    @Override
    public int cuEventRecord(long event, long stream) {
        Assert.assertTrue(held.contains(event), "an event that exists");
        return call("cuEventRecord");
    }

    @Override
    public int cuEventElapsedTime(float[] milliseconds, long start, long end) {
        milliseconds[0] = 500;
        return call("cuEventElapsedTime");
    }

    @Override
    public int cuEventDestroy(long event) {
        return release("cuEventDestroy", event);
    }

    @Override
    public int cuStreamSynchronize(long stream) {
        return call("cuStreamSynchronize");
    }

    @Override
    public int cuTensorMapEncodeTiled(ByteBuffer map, TensorMap box) {
        Assert.assertTrue(map.isDirect() && map.capacity() == TensorMap.BYTES, "128 bytes");
        Assert.assertEquals(map.alignmentOffset(0, TensorMap.ALIGNMENT), 0, "alignment");
        maps.add(box);
        return call("cuTensorMapEncodeTiled");
    }

    @Override
    public int cuLaunchKernel(long function, Launch launch, long stream, ByteBuffer... parameters) {
        String name = functions.get(function);
        Assert.assertEquals(name, launch.kernel(), "a kernel that was looked up");
        Assert.assertTrue(
                launch.sharedBytes() <= sharedLimits.getOrDefault(function, 48L << 10),
                name + ": more shared memory than was asked for: " + launch.sharedBytes());
        Assert.assertEquals(parameters[0].capacity(), Fixtures.manifest().callSize());
        launches.add(new Launched(launch, parameters.length));
        return call("cuLaunchKernel");
    }
}

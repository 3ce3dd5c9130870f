package io.pbsattn.backend.cuda;

import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.backend.cuda.CubinCache.CompilationException;
import io.pbsattn.util.WarnOnce;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A GPU in use: its primary context, which PyTorch uses too, the loaded kernels, and a pool of
 * memory. Safe to use from several threads.
 *
 * <p>Whoever closes it sees to it that no call is under way. The backend of a process never closes
 * its devices: at the end of the process PyTorch and the driver come down in an order that nobody
 * promises, and the driver takes back everything by itself.
 */
final class CudaDevice implements AutoCloseable {

    private static final Logger logger = LoggerFactory.getLogger(CudaDevice.class);

    /** Shared memory that a kernel may use without asking. */
    private static final int DEFAULT_SHARED_BYTES = 48 << 10;

    private static final int LOG_BYTES = 8192;

    /** Failures that say that an image does not fit the GPU or the driver: try another. */
    private static final Set<Integer> IMAGE_REFUSED =
            Set.of(
                    200, // INVALID_IMAGE
                    209, // NO_BINARY_FOR_GPU
                    218, // INVALID_PTX
                    221, // JIT_COMPILER_NOT_FOUND
                    222, // UNSUPPORTED_PTX_VERSION
                    223, // JIT_COMPILATION_DISABLED
                    300); // INVALID_SOURCE

    private final CudaDriver driver;
    private final Releases releases = new Releases();
    private final Gpu gpu;
    private final KernelManifest manifest;
    private final Map<String, Long> functions = new HashMap<>();
    private final AtomicLong largestAllocation = new AtomicLong();
    private long context;
    private long module;
    private long pool;
    private String imageName = "";

    private CudaDevice(CudaDriver driver, Gpu gpu, KernelManifest manifest) {
        this.driver = driver;
        this.gpu = gpu;
        this.manifest = manifest;
    }

    /**
     * Opens a GPU: retains its primary context and loads the kernels.
     *
     * @param driver the driver, initialised
     * @param gpu the GPU
     * @param manifest the kernels
     * @param images where their machine code is
     * @return the device
     * @throws BackendUnavailableException if no image runs on the GPU
     * @throws CudaException if the driver refuses a call; nothing is held then
     */
    static CudaDevice open(CudaDriver driver, Gpu gpu, KernelManifest manifest, KernelImages images)
            throws BackendUnavailableException {
        CudaDevice device = new CudaDevice(driver, gpu, manifest);
        try {
            device.start(images);
            return device;
        } catch (BackendUnavailableException | RuntimeException | Error e) {
            try {
                device.close();
            } catch (RuntimeException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    @SuppressWarnings("try") // the context counts by being current
    private void start(KernelImages images) throws BackendUnavailableException {
        long[] handle = new long[1];
        driver.check(
                driver.cuDevicePrimaryCtxRetain(handle, gpu.handle()),
                "cuDevicePrimaryCtxRetain",
                "opening " + gpu);
        context = handle[0];
        releases.push(
                () ->
                        driver.check(
                                driver.cuDevicePrimaryCtxRelease(gpu.handle()),
                                "cuDevicePrimaryCtxRelease",
                                "closing " + gpu));
        try (Current current = current()) {
            load(images);
            resolve();
            driver.check(
                    driver.cuMemPoolCreate(handle, gpu.handle()),
                    "cuMemPoolCreate",
                    "making a memory pool");
            pool = handle[0];
            releaseInContext(() -> driver.cuMemPoolDestroy(pool), "cuMemPoolDestroy");
            // Kept between calls, which end in a synchronisation that would give memory back.
            driver.check(
                    driver.cuMemPoolSetAttribute(pool, Long.MAX_VALUE),
                    "cuMemPoolSetAttribute",
                    "setting up the memory pool");
        }
    }

    private void load(KernelImages images) throws BackendUnavailableException {
        List<String> refusals = new ArrayList<>();
        for (KernelImages.Image image : images.of(gpu)) {
            try {
                load(image);
                imageName = image.name();
                if (!refusals.isEmpty()) {
                    WarnOnce.warn(
                            logger,
                            "The kernels for "
                                    + gpu
                                    + " come from "
                                    + imageName
                                    + ", because others do not load: "
                                    + String.join("; ", refusals));
                }
                return;
            } catch (CompilationException e) {
                refusals.add(image.name() + ": " + e.getMessage());
            } catch (CudaException e) {
                if (!IMAGE_REFUSED.contains(e.code())) {
                    throw e;
                }
                refusals.add(
                        image.name() + ": " + e.getMessage() + " (a newer NVIDIA driver may help)");
            }
        }
        throw new BackendUnavailableException(
                "no kernels for " + gpu + ": " + String.join("; ", refusals));
    }

    private void load(KernelImages.Image image) throws CompilationException {
        byte[] bytes = image.bytes();
        ByteBuffer direct = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
        direct.put(bytes).rewind();
        ByteBuffer log = ByteBuffer.allocateDirect(LOG_BYTES).order(ByteOrder.nativeOrder());
        long[] handle = new long[1];
        int code = driver.cuModuleLoadDataEx(handle, direct, log);
        if (code != 0) {
            byte[] text = new byte[LOG_BYTES];
            log.get(0, text);
            String said = new String(text, StandardCharsets.UTF_8).split("\0", 2)[0].strip();
            throw driver.failure(
                    code,
                    "cuModuleLoadDataEx",
                    "loading the kernels" + (said.isEmpty() ? "" : " (" + said + ")"));
        }
        module = handle[0];
        releaseInContext(() -> driver.cuModuleUnload(module), "cuModuleUnload");
    }

    /** Has a call made when the device is closed, with its context current. */
    @SuppressWarnings("try") // the context counts by being current
    private void releaseInContext(IntSupplier release, String call) {
        releases.push(
                () -> {
                    try (Current current = current()) {
                        driver.check(release.getAsInt(), call, "closing " + gpu);
                    }
                });
    }

    private void resolve() {
        long[] handle = new long[1];
        for (Map.Entry<String, KernelManifest.Kernel> entry : manifest.kernels().entrySet()) {
            String name = entry.getKey();
            if (!manifest.hasKernel(name, gpu)) {
                continue;
            }
            driver.check(
                    driver.cuModuleGetFunction(handle, module, name),
                    "cuModuleGetFunction",
                    "looking for kernel " + name);
            functions.put(name, handle[0]);
            int shared = entry.getValue().shared();
            int most = shared < 0 ? LaunchPlan.maxRuleSharedBytes(manifest) : shared;
            if (most > DEFAULT_SHARED_BYTES) {
                driver.check(
                        driver.cuFuncSetAttribute(
                                handle[0],
                                CudaDriver.FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                Math.min(most, gpu.maxSharedBytes())),
                        "cuFuncSetAttribute",
                        "asking for shared memory for kernel " + name);
            }
        }
    }

    CudaDriver driver() {
        return driver;
    }

    Gpu gpu() {
        return gpu;
    }

    KernelManifest manifest() {
        return manifest;
    }

    /** What the kernels were loaded from. */
    String imageName() {
        return imageName;
    }

    /**
     * Returns the handle of a kernel.
     *
     * @throws IllegalStateException if it was not loaded
     */
    long function(String kernel) {
        Long function = functions.get(kernel);
        if (function == null) {
            throw new IllegalStateException("kernel " + kernel + " does not run on " + gpu);
        }
        return function;
    }

    /**
     * Begins a call on a stream.
     *
     * @param stream a stream of this device
     * @return what holds the call's memory; to be closed on the same thread
     */
    DeviceScope enter(long stream) {
        return new DeviceScope(this, stream);
    }

    /** Makes the device's context the thread's current one until it is closed. */
    Current current() {
        driver.check(
                driver.cuCtxPushCurrent(context),
                "cuCtxPushCurrent",
                "making the context of " + gpu + " current");
        return new Current(driver);
    }

    /** A context that is current. */
    record Current(CudaDriver driver) implements AutoCloseable {

        /** {@inheritDoc} */
        @Override
        public void close() {
            driver.check(
                    driver.cuCtxPopCurrent(), "cuCtxPopCurrent", "leaving the context of the GPU");
        }
    }

    /**
     * Allocates memory in stream order.
     *
     * @throws CudaException naming the bytes wanted and free, if there are not enough
     */
    long allocate(long bytes, long stream) {
        long[] address = new long[1];
        int code = driver.cuMemAllocFromPoolAsync(address, bytes, pool, stream);
        if (code == CudaException.OUT_OF_MEMORY) {
            // What earlier calls left in the pool may be in pieces that do not do.
            driver.check(driver.cuMemPoolTrimTo(pool, 0), "cuMemPoolTrimTo", "freeing idle memory");
            largestAllocation.set(0);
            code = driver.cuMemAllocFromPoolAsync(address, bytes, pool, stream);
        }
        if (code != 0) {
            String purpose = "allocating a workspace of " + bytes + " bytes on " + gpu;
            if (code == CudaException.OUT_OF_MEMORY) {
                purpose += free();
            }
            throw driver.failure(code, "cuMemAllocFromPoolAsync", purpose);
        }
        largestAllocation.accumulateAndGet(bytes, Math::max);
        return address[0];
    }

    private String free() {
        long[] free = new long[1];
        long[] total = new long[1];
        return driver.cuMemGetInfo(free, total) == 0
                ? ", where " + free[0] + " of " + total[0] + " bytes are free"
                : "";
    }

    /**
     * Tells how much memory is missing for a workspace.
     *
     * @param bytes its size
     * @return 0 if it should fit: the pool has held as much before, or as much is free
     */
    @SuppressWarnings("try") // the context counts by being current
    long missingBytes(long bytes) {
        long held = largestAllocation.get();
        if (bytes <= held) {
            return 0;
        }
        long[] free = new long[1];
        long[] total = new long[1];
        try (Current current = current()) {
            driver.check(
                    driver.cuMemGetInfo(free, total),
                    "cuMemGetInfo",
                    "asking for the free memory of " + gpu);
        }
        return Math.max(0, bytes - held - free[0]);
    }

    /** Gives back what was opened; the first failure is thrown, others are suppressed in it. */
    @Override
    public void close() {
        functions.clear();
        releases.close();
    }
}

package io.pbsattn.backend.cuda;

import io.pbsattn.backend.BackendUnavailableException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * One GPU of this machine.
 *
 * @param ordinal its number, as PyTorch counts too
 * @param handle the driver's CUdevice
 * @param name such as NVIDIA H100 80GB HBM3
 * @param major the 9 of compute capability 9.0
 * @param minor the 0 of compute capability 9.0
 * @param totalBytes its memory
 * @param multiprocessors number of streaming multiprocessors
 * @param maxSharedBytes shared memory that one block of threads may ask for
 * @param hasPools whether memory can be allocated in stream order
 */
record Gpu(
        int ordinal,
        int handle,
        String name,
        int major,
        int minor,
        long totalBytes,
        int multiprocessors,
        int maxSharedBytes,
        boolean hasPools) {

    /** The first architecture with the instructions of the portable kernels: bf16 and cp.async. */
    private static final int MIN_MAJOR = 8;

    /** The first driver that encodes tensor maps, as cuDriverGetVersion counts: CUDA 12.0. */
    private static final int MIN_DRIVER = 12000;

    private static final long MIN_BYTES = 1L << 30;
    private static final int NAME_BYTES = 256;
    private static final String PURPOSE = "looking for GPUs";

    /**
     * Lists the GPUs of this machine, whether the kernels run on them or not.
     *
     * @param driver the driver
     * @return at least one GPU
     * @throws BackendUnavailableException if the driver does not start, is too old or has no GPU
     */
    static List<Gpu> list(CudaDriver driver) throws BackendUnavailableException {
        try {
            int[] version = new int[1];
            driver.check(driver.cuInit(), "cuInit", "starting the NVIDIA driver");
            driver.check(driver.cuDriverGetVersion(version), "cuDriverGetVersion", PURPOSE);
            if (version[0] < MIN_DRIVER) {
                throw new BackendUnavailableException(
                        "the NVIDIA driver is one for CUDA "
                                + versionName(version[0])
                                + "; update it to one for CUDA "
                                + versionName(MIN_DRIVER)
                                + " or later");
            }
            int[] count = new int[1];
            driver.check(driver.cuDeviceGetCount(count), "cuDeviceGetCount", PURPOSE);
            List<Gpu> gpus = new ArrayList<>();
            for (int ordinal = 0; ordinal < count[0]; ++ordinal) {
                gpus.add(describe(driver, ordinal));
            }
            if (gpus.isEmpty()) {
                throw new BackendUnavailableException(
                        "the NVIDIA driver shows no GPU; look at nvidia-smi and at the variable"
                                + " CUDA_VISIBLE_DEVICES");
            }
            return gpus;
        } catch (CudaException e) {
            throw new BackendUnavailableException(
                    e.getMessage()
                            + "; look at nvidia-smi and at the variable CUDA_VISIBLE_DEVICES",
                    e);
        }
    }

    private static Gpu describe(CudaDriver driver, int ordinal) {
        int[] handle = new int[1];
        driver.check(driver.cuDeviceGet(handle, ordinal), "cuDeviceGet", PURPOSE);
        byte[] name = new byte[NAME_BYTES];
        driver.check(driver.cuDeviceGetName(name, handle[0]), "cuDeviceGetName", PURPOSE);
        long[] bytes = new long[1];
        driver.check(driver.cuDeviceTotalMem(bytes, handle[0]), "cuDeviceTotalMem", PURPOSE);
        return new Gpu(
                ordinal,
                handle[0],
                new String(name, StandardCharsets.UTF_8).split("\0", 2)[0].strip(),
                attribute(driver, CudaDriver.DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle[0]),
                attribute(driver, CudaDriver.DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle[0]),
                bytes[0],
                attribute(driver, CudaDriver.DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, handle[0]),
                attribute(
                        driver,
                        CudaDriver.DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
                        handle[0]),
                attribute(driver, CudaDriver.DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, handle[0])
                        != 0);
    }

    private static int attribute(CudaDriver driver, int attribute, int handle) {
        int[] value = new int[1];
        driver.check(
                driver.cuDeviceGetAttribute(value, attribute, handle),
                "cuDeviceGetAttribute",
                PURPOSE);
        return value[0];
    }

    /** Tells why the kernels do not run on this GPU, or nothing if they do. */
    Optional<String> refusal() {
        if (major < MIN_MAJOR) {
            return Optional.of(
                    this
                            + " is too old; the kernels need compute capability "
                            + MIN_MAJOR
                            + ".0 (Ampere) or later");
        }
        if (!hasPools) {
            return Optional.of(this + " has no stream-ordered memory; update its driver");
        }
        if (totalBytes < MIN_BYTES) {
            return Optional.of(this + " is too small; the kernels need at least 1 GiB of memory");
        }
        return Optional.empty();
    }

    /** The target of the compiler: 90 for compute capability 9.0. */
    int architecture() {
        return 10 * major + minor;
    }

    /** Whether the GPU has the instructions of sm_90a, which no other architecture has. */
    boolean isHopper() {
        return architecture() == 90;
    }

    /** CUDA's version as people write it: 12.8 for 12080. */
    static String versionName(int version) {
        return version / 1000 + "." + version % 1000 / 10;
    }

    /** Such as {@code GPU 0: NVIDIA H100 80GB HBM3, sm_90, 79.1 GiB}. */
    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "GPU %d: %s, sm_%d, %.1f GiB",
                ordinal,
                name,
                architecture(),
                totalBytes / (double) (1L << 30));
    }
}

package io.pbsattn.backend.cuda;

import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import io.pbsattn.backend.BackendUnavailableException;

/** Finds the NVIDIA driver before a class is touched that cannot be without it. */
final class DriverLibrary {

    /** The driver's user-mode library, which comes with the driver and with nothing else. */
    static final String NAME = "libcuda.so.1";

    private DriverLibrary() {}

    /**
     * Opens the driver of this machine.
     *
     * @return the driver, not initialised yet
     * @throws BackendUnavailableException if there is none
     */
    static CudaDriver open() throws BackendUnavailableException {
        if (!Platform.isLinux() || !Platform.isIntel() || !Platform.is64Bit()) {
            throw new BackendUnavailableException(
                    "CUDA runs on Linux on x86-64 only, and this is " + Platform.RESOURCE_PREFIX);
        }
        return open(NAME);
    }

    static CudaDriver open(String name) throws BackendUnavailableException {
        try {
            NativeLibrary.getInstance(name);
        } catch (UnsatisfiedLinkError e) {
            throw new BackendUnavailableException(
                    "no NVIDIA driver: "
                            + name
                            + " is not to be found; install the driver, or start the container"
                            + " with its GPU (--gpus all)",
                    e);
        }
        try {
            return new JCudaDriverBinding(name);
        } catch (LinkageError e) {
            throw new BackendUnavailableException(
                    "JCuda does not load: "
                            + e
                            + "; jcuda-natives for linux-x86_64 has to be on the class path",
                    e);
        }
    }
}

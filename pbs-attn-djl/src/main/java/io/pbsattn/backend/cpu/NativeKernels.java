package io.pbsattn.backend.cpu;

import com.sun.jna.Library;
import com.sun.jna.Native;
import io.pbsattn.backend.BackendUnavailableException;
import java.nio.file.Path;

/** The functions of native-kernels/include/pbs_attn.h. */
interface NativeKernels extends Library {

    /** The version of the header that this interface and {@link NativeCall} follow. */
    int ABI_VERSION = 4;

    /** Returns the interface version of the library. */
    int pbs_attn_abi_version();

    /** Returns the instruction set in use, or null if PBS_ATTN_ISA names one that cannot be had. */
    String pbs_attn_isa();

    /** Returns the instruction sets that the build holds and the CPU can run, best first. */
    String pbs_attn_available_isas();

    /** Returns the threads that a call uses if it names no number. */
    int pbs_attn_default_threads();

    /** Runs one call; answers 0, or a status with its reason in the message. */
    int pbs_attn_prefill(NativeCall call, byte[] message, long messageSize);

    /**
     * Loads the library that is packed for this platform.
     *
     * @return the bound library
     * @throws BackendUnavailableException saying why there is none
     */
    static NativeKernels load() throws BackendUnavailableException {
        Path library = NativeLibraryFile.unpack("cpu");
        NativeKernels kernels;
        try {
            kernels = Native.load(library.toString(), NativeKernels.class);
        } catch (UnsatisfiedLinkError e) {
            throw new BackendUnavailableException(
                    "native library " + library + " does not load: " + e.getMessage(), e);
        }
        int version = kernels.pbs_attn_abi_version();
        if (version != ABI_VERSION) {
            throw new BackendUnavailableException(
                    "native library "
                            + library
                            + " has interface version "
                            + version
                            + ", expected "
                            + ABI_VERSION);
        }
        return kernels;
    }
}

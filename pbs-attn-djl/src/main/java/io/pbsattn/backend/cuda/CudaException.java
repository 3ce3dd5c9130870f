package io.pbsattn.backend.cuda;

import java.util.Set;

/** A call of the CUDA driver that failed; the message names the call, the code and the purpose. */
final class CudaException extends IllegalStateException {

    private static final long serialVersionUID = 1L;

    static final int OUT_OF_MEMORY = 2;

    /** Failures after which the driver refuses every other call of the process. */
    private static final Set<Integer> FATAL =
            Set.of(
                    214, // ECC_UNCORRECTABLE
                    700, // ILLEGAL_ADDRESS
                    702, // LAUNCH_TIMEOUT
                    710, // ASSERT
                    714, // HARDWARE_STACK_ERROR
                    715, // ILLEGAL_INSTRUCTION
                    716, // MISALIGNED_ADDRESS
                    717, // INVALID_ADDRESS_SPACE
                    718, // INVALID_PC
                    719); // LAUNCH_FAILED

    private final int code;

    /**
     * Constructs the exception.
     *
     * @param code what the call answered, a CUresult
     * @param name the driver's name of the code; null if it has none
     * @param call the call's name
     * @param purpose what was being done: "loading the kernels"
     */
    CudaException(int code, String name, String call, String purpose) {
        super(
                String.format(
                        "cuda: %s failed with %s (%d) while %s%s",
                        call,
                        name == null ? "an unknown code" : name,
                        code,
                        purpose,
                        FATAL.contains(code)
                                ? "; the GPU can be used again only by a new process"
                                : ""));
        this.code = code;
    }

    /** Returns the driver's CUresult. */
    int code() {
        return code;
    }

    boolean isOutOfMemory() {
        return code == OUT_OF_MEMORY;
    }
}

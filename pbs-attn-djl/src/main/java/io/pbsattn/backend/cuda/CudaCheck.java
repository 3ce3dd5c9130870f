package io.pbsattn.backend.cuda;

import java.util.Set;

/** Turns the codes of a driver into exceptions. */
record CudaCheck(CudaDriver driver) {

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

    /**
     * Throws unless a call succeeded.
     *
     * @param code what the call answered
     * @param call its name
     * @param purpose what was being done: "loading the kernels"
     */
    void ok(int code, String call, String purpose) {
        if (code != 0) {
            throw failure(code, call, purpose);
        }
    }

    CudaException failure(int code, String call, String purpose) {
        String name = driver.errorName(code);
        return new CudaException(
                String.format(
                        "cuda: %s failed with %s (%d) while %s%s",
                        call,
                        name == null ? "an unknown code" : name,
                        code,
                        purpose,
                        FATAL.contains(code)
                                ? "; the GPU can be used again only by a new process"
                                : ""),
                code);
    }
}

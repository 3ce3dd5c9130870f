package io.pbsattn;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.testng.SkipException;

/**
 * What a test needs of the machine. Where it is missing, the test is skipped; where the environment
 * variable {@code PBS_REQUIRE} names it, or is {@code all}, the test fails instead. {@code .ci/run}
 * says what its machine has.
 */
public enum Requirement {
    /** The CPU kernels, and a C++ compiler to build them. */
    CPU,
    /** Compiled CUDA kernels. */
    NVCC,
    /** JCuda's native library, and a C compiler to make a driver for it. */
    JCUDA,
    /** CUDA's run-time compiler. */
    NVRTC,
    /** A C library that counts what is allocated. */
    GLIBC;

    private static final String VARIABLE = "PBS_REQUIRE";

    /**
     * Makes what is to be thrown where this is missing.
     *
     * @param reason what is missing
     * @return the skip of a test
     * @throws AssertionError where the environment asks for it
     */
    public SkipException missing(String reason) {
        if (isDemanded()) {
            throw new AssertionError(VARIABLE + " asks for " + name() + ": " + reason);
        }
        return new SkipException(reason);
    }

    /** Whether the environment asks for it. */
    boolean isDemanded() {
        String value = System.getenv(VARIABLE);
        List<String> names = value == null ? List.of() : Arrays.asList(value.split("[, ]+"));
        return names.contains("all") || names.contains(name().toLowerCase(Locale.ROOT));
    }
}

package io.pbsattn.examples.verify.fuzz;

import java.nio.file.Path;
import java.util.SplittableRandom;

/**
 * Makes bad input of one kind, and reads it as a user's program would. A {@link FuzzChild} makes it
 * by a constructor without arguments.
 */
interface Fuzzer {

    /**
     * Writes mutated files.
     *
     * @param folder is empty but for what an earlier call wrote
     * @param random decides everything
     */
    void write(Path folder, SplittableRandom random) throws Exception;

    /**
     * Reads what was written.
     *
     * @throws Exception if it is refused
     */
    void read(Path folder) throws Exception;

    /** Whether a refusal says which file is wrong. */
    boolean names(String message, Path folder);
}

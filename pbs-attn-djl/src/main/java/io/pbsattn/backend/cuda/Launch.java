package io.pbsattn.backend.cuda;

/**
 * One kernel launch.
 *
 * @param kernel the kernel's name
 * @param grid blocks of threads
 * @param threads threads in a block
 * @param sharedBytes dynamic shared memory of a block
 * @param stage what its time counts as
 * @param takesMaps whether tensor maps of q, k and v follow the parameter block
 */
record Launch(
        String kernel, Grid grid, int threads, int sharedBytes, Stage stage, boolean takesMaps) {

    /** The extent of a grid, in blocks of threads. */
    record Grid(int x, int y, int z) {}

    /** The stages of a call, in their order; the time of each is reported. */
    enum Stage {
        PERMUTE,
        SELECT,
        ATTEND
    }
}

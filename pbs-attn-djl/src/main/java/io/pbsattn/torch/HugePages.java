package io.pbsattn.torch;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;

/**
 * Asks Linux to hold large arrays in huge pages: fewer pages to clear when they are first written,
 * and addresses that are translated faster. Where the system has none nothing changes.
 */
final class HugePages {

    private static final long PAGE_BYTES = 2 << 20;

    /** Arrays of fewer bytes may hold no whole page. */
    private static final long MIN_BYTES = 2 * PAGE_BYTES;

    private static final int MADV_HUGEPAGE = 14;

    private final Function madvise;

    HugePages() {
        madvise = Platform.isLinux() ? NativeLibrary.getProcess().getFunction("madvise") : null;
    }

    /**
     * Advises memory that has not been written yet.
     *
     * @param address of its first byte
     * @param bytes its size
     */
    void advise(long address, long bytes) {
        if (madvise == null || bytes < MIN_BYTES) {
            return;
        }
        long begin = (address + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        long end = (address + bytes) / PAGE_BYTES * PAGE_BYTES;
        // What it answers does not matter: without huge pages small ones do.
        madvise.invokeInt(new Object[] {new Pointer(begin), end - begin, MADV_HUGEPAGE});
    }
}

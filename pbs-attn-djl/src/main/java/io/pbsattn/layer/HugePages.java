package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Platform;
import com.sun.jna.Pointer;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;

/**
 * Asks Linux to hold arrays in huge pages, whose addresses are translated faster. For arrays that
 * are written again and again: where memory is scarce fresh huge pages cost more than small ones.
 */
final class HugePages {

    private static final long PAGE_BYTES = 2 << 20;
    private static final int MADV_HUGEPAGE = 14;
    private static final Function MADVISE =
            Platform.isLinux() ? NativeLibrary.getProcess().getFunction("madvise") : null;

    private HugePages() {}

    /** Advises the whole pages of a contiguous array that has not been written yet. */
    static void advise(NDArray array) {
        long address = Pointer.nativeValue(LibTorch.get().hostPointer(array));
        long bytes = array.size() * TorchType.of(array).bytes();
        long begin = (address + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        long end = (address + bytes) / PAGE_BYTES * PAGE_BYTES;
        if (MADVISE != null && begin < end) {
            // What it answers does not matter: without huge pages small ones do.
            MADVISE.invokeInt(new Object[] {new Pointer(begin), end - begin, MADV_HUGEPAGE});
        }
    }
}

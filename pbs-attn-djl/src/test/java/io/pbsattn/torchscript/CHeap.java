package io.pbsattn.torchscript;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Structure;
import io.pbsattn.Requirement;

/** The heap of the C library, where PyTorch's tensors are; the JVM's own heap is elsewhere. */
final class CHeap {

    private CHeap() {}

    /**
     * Counts what is allocated and not freed, after what JNA frees with its Java objects is gone.
     *
     * @throws org.testng.SkipException where the C library does not count
     */
    static long bytesInUse() throws InterruptedException {
        for (int i = 0; i < 5; ++i) {
            System.gc();
            Thread.sleep(200);
        }
        Function function;
        try {
            function = NativeLibrary.getInstance("c").getFunction("mallinfo2");
        } catch (UnsatisfiedLinkError e) {
            throw Requirement.GLIBC.missing("no mallinfo2 in the C library: " + e.getMessage());
        }
        MallInfo info = (MallInfo) function.invoke(MallInfo.class, new Object[0]);
        return info.uordblks + info.hblkhd;
    }

    /** glibc's {@code struct mallinfo2}. */
    @Structure.FieldOrder({
        "arena",
        "ordblks",
        "smblks",
        "hblks",
        "hblkhd",
        "usmblks",
        "fsmblks",
        "uordblks",
        "fordblks",
        "keepcost"
    })
    public static final class MallInfo extends Structure implements Structure.ByValue {
        public long arena;
        public long ordblks;
        public long smblks;
        public long hblks;
        public long hblkhd;
        public long usmblks;
        public long fsmblks;
        public long uordblks;
        public long fordblks;
        public long keepcost;
    }
}

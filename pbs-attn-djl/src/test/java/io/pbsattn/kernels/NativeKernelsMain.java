package io.pbsattn.kernels;

/** Says what comes of loading the native library; for a process of its own. */
public final class NativeKernelsMain {

    private NativeKernelsMain() {}

    /** Loads and prints. */
    public static void main(String[] args) {
        System.out.println(
                NativeKernels.refusal()
                        .map(reason -> "refused: " + reason)
                        .orElseGet(() -> "loaded: " + NativeKernels.get().isa()));
    }
}

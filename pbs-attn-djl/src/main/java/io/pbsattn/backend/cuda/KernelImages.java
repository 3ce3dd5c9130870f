package io.pbsattn.backend.cuda;

import ai.djl.util.Utils;
import io.pbsattn.backend.cuda.CubinCache.CompilationException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Where the kernels' machine code comes from: the fatbin that the build packed, and NVRTC for GPUs
 * and drivers that the fatbin does not serve.
 */
final class KernelImages {

    static final String FATBIN = "pbs_cuda.fatbin";
    static final String SOURCE = "pbs_cuda.cu";

    private final Resources resources;
    private final Supplier<Optional<Nvrtc>> compiler;
    private final CubinCache cache;

    /** What the build packed. */
    @FunctionalInterface
    interface Resources {

        /** Reads a file; an exception says that it was not packed. */
        byte[] read(String name) throws CompilationException;
    }

    /**
     * Constructs the images.
     *
     * @param resources what the build packed
     * @param compiler finds the compiler; asked only if the fatbin does not do
     * @param cache what was compiled before
     */
    KernelImages(Resources resources, Supplier<Optional<Nvrtc>> compiler, CubinCache cache) {
        this.resources = resources;
        this.compiler = compiler;
        this.cache = cache;
    }

    /** The images of this build, with NVRTC as it is installed and the cache in DJL's folder. */
    static KernelImages packed() {
        return new KernelImages(
                KernelImages::resource,
                Nvrtc::find,
                new CubinCache(Utils.getEngineCacheDir("pbs-attn").resolve("nvrtc")));
    }

    /** One way to the machine code. */
    interface Image {

        /** Such as "the fatbin of this build". */
        String name();

        /**
         * Returns a cubin, a fatbin, or PTX that ends in a zero byte.
         *
         * @throws CompilationException saying why there is none
         */
        byte[] bytes() throws CompilationException;
    }

    /** The images for a GPU in the order in which they are tried. */
    List<Image> of(Gpu gpu) {
        List<Image> images = new ArrayList<>();
        images.add(image("the fatbin of this build", () -> resources.read(FATBIN)));
        images.add(image("NVRTC", () -> compiled(gpu)));
        return images;
    }

    private byte[] compiled(Gpu gpu) throws CompilationException {
        Nvrtc nvrtc =
                compiler.get()
                        .orElseThrow(
                                () ->
                                        new CompilationException(
                                                "libnvrtc.so is not to be found; install NVRTC from"
                                                    + " the CUDA toolkit, or put its folder into"
                                                    + " LD_LIBRARY_PATH"));
        String target = nvrtc.target(gpu);
        String source = new String(resources.read(SOURCE), StandardCharsets.UTF_8);
        return cache.get(
                () -> nvrtc.compile(source, target),
                source,
                target,
                Integer.toString(nvrtc.version()));
    }

    /** Reads what the build packed. */
    static byte[] resource(String name) throws CompilationException {
        try (InputStream in =
                KernelImages.class.getResourceAsStream(KernelManifest.FOLDER + name)) {
            if (in == null) {
                throw new CompilationException("the build packed no " + name);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(name + " cannot be read", e);
        }
    }

    private static Image image(String name, CubinCache.Compiler bytes) {
        return new Image() {
            /** {@inheritDoc} */
            @Override
            public String name() {
                return name;
            }

            /** {@inheritDoc} */
            @Override
            public byte[] bytes() throws CompilationException {
                return bytes.compile();
            }
        };
    }
}

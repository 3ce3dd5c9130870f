package io.pbsattn.backend.cuda;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import io.pbsattn.backend.cuda.CubinCache.CompilationException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** NVIDIA's run-time compiler, where it is installed; it needs no GPU and no driver. */
final class Nvrtc {

    /** The library's names; the newest first. */
    private static final String[] NAMES = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};

    private final Api api;
    private final int version;
    private final int[] architectures;

    private Nvrtc(Api api, int version, int[] architectures) {
        this.api = api;
        this.version = version;
        this.architectures = architectures;
    }

    /** The functions of nvrtc.h; each answers an nvrtcResult, 0 for success. */
    interface Api extends Library {

        String nvrtcGetErrorString(int result);

        int nvrtcVersion(IntByReference major, IntByReference minor);

        int nvrtcGetNumSupportedArchs(IntByReference count);

        int nvrtcGetSupportedArchs(int[] architectures);

        int nvrtcCreateProgram(
                PointerByReference program,
                byte[] source,
                String name,
                int numHeaders,
                Pointer headers,
                Pointer includeNames);

        int nvrtcDestroyProgram(PointerByReference program);

        int nvrtcCompileProgram(Pointer program, int numOptions, String[] options);

        int nvrtcGetProgramLogSize(Pointer program, LongByReference size);

        int nvrtcGetProgramLog(Pointer program, byte[] log);

        int nvrtcGetCUBINSize(Pointer program, LongByReference size);

        int nvrtcGetCUBIN(Pointer program, byte[] cubin);

        int nvrtcGetPTXSize(Pointer program, LongByReference size);

        int nvrtcGetPTX(Pointer program, byte[] ptx);
    }

    /**
     * Looks for the library by its names.
     *
     * @return the compiler, or empty if it is not installed
     */
    static Optional<Nvrtc> find() {
        return find(NAMES);
    }

    static Optional<Nvrtc> find(String... names) {
        for (String name : names) {
            if (isInstalled(name)) {
                return Optional.of(open(Native.load(name, Api.class)));
            }
        }
        return Optional.empty();
    }

    private static boolean isInstalled(String name) {
        try {
            NativeLibrary.getInstance(name);
            return true;
        } catch (UnsatisfiedLinkError e) {
            return false;
        }
    }

    /** Makes the compiler on a library; an error of the library's own is thrown as it is. */
    static Nvrtc open(Api api) {
        IntByReference major = new IntByReference();
        IntByReference minor = new IntByReference();
        check(api, api.nvrtcVersion(major, minor), "nvrtcVersion");
        IntByReference count = new IntByReference();
        check(api, api.nvrtcGetNumSupportedArchs(count), "nvrtcGetNumSupportedArchs");
        int[] architectures = new int[count.getValue()];
        check(api, api.nvrtcGetSupportedArchs(architectures), "nvrtcGetSupportedArchs");
        return new Nvrtc(api, 1000 * major.getValue() + 10 * minor.getValue(), architectures);
    }

    /** The compiler's version as the driver counts: 12080 for 12.8. */
    int version() {
        return version;
    }

    /**
     * Returns the target for a GPU: machine code where the compiler knows the GPU, else PTX of the
     * newest architecture before it, from which the driver makes machine code.
     *
     * @throws CompilationException if the compiler is too old for that too
     */
    String target(Gpu gpu) throws CompilationException {
        if (gpu.isHopper() && contains(90)) {
            return "sm_90a";
        }
        if (contains(gpu.architecture())) {
            return "sm_" + gpu.architecture();
        }
        int newest =
                Arrays.stream(architectures)
                        .filter(a -> a >= 80 && a <= gpu.architecture())
                        .max()
                        .orElseThrow(
                                () ->
                                        new CompilationException(
                                                "NVRTC "
                                                        + Gpu.versionName(version)
                                                        + " has no target for "
                                                        + gpu));
        return "compute_" + newest;
    }

    private boolean contains(int architecture) {
        return Arrays.stream(architectures).anyMatch(a -> a == architecture);
    }

    /**
     * Compiles a source without headers.
     *
     * @param source CUDA C++
     * @param target such as sm_90a for machine code or compute_90 for PTX
     * @return a cubin, or PTX that ends in a zero byte
     * @throws CompilationException with the compiler's log
     */
    byte[] compile(String source, String target) throws CompilationException {
        PointerByReference program = new PointerByReference();
        byte[] text = (source + '\0').getBytes(StandardCharsets.UTF_8);
        require(
                api.nvrtcCreateProgram(program, text, "pbs_cuda.cu", 0, null, null),
                "nvrtcCreateProgram");
        try {
            String[] options = {"--gpu-architecture=" + target, "--std=c++17"};
            int result = api.nvrtcCompileProgram(program.getValue(), options.length, options);
            if (result != 0) {
                throw new CompilationException(
                        "NVRTC "
                                + Gpu.versionName(version)
                                + " does not compile the kernels for "
                                + target
                                + " ("
                                + api.nvrtcGetErrorString(result)
                                + "):\n"
                                + log(program.getValue()));
            }
            return target.startsWith("sm_") ? cubin(program) : ptx(program);
        } finally {
            api.nvrtcDestroyProgram(program);
        }
    }

    private byte[] cubin(PointerByReference program) throws CompilationException {
        LongByReference size = new LongByReference();
        require(api.nvrtcGetCUBINSize(program.getValue(), size), "nvrtcGetCUBINSize");
        byte[] cubin = new byte[Math.toIntExact(size.getValue())];
        require(api.nvrtcGetCUBIN(program.getValue(), cubin), "nvrtcGetCUBIN");
        return cubin;
    }

    private byte[] ptx(PointerByReference program) throws CompilationException {
        LongByReference size = new LongByReference();
        require(api.nvrtcGetPTXSize(program.getValue(), size), "nvrtcGetPTXSize");
        byte[] ptx = new byte[Math.toIntExact(size.getValue())];
        require(api.nvrtcGetPTX(program.getValue(), ptx), "nvrtcGetPTX");
        return ptx;
    }

    private String log(Pointer program) {
        LongByReference size = new LongByReference();
        if (api.nvrtcGetProgramLogSize(program, size) != 0) {
            return "no log";
        }
        byte[] log = new byte[Math.toIntExact(Math.max(1, size.getValue()))];
        return api.nvrtcGetProgramLog(program, log) == 0 ? Native.toString(log) : "no log";
    }

    private void require(int result, String call) throws CompilationException {
        if (result != 0) {
            throw new CompilationException(
                    "NVRTC: " + call + " failed with " + api.nvrtcGetErrorString(result));
        }
    }

    private static void check(Api api, int result, String call) {
        if (result != 0) {
            throw new IllegalStateException(
                    "NVRTC: " + call + " failed with " + api.nvrtcGetErrorString(result));
        }
    }
}

package io.pbsattn.backend.cuda;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import io.pbsattn.Requirement;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.backend.cuda.CubinCache.CompilationException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.testng.Assert;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Where machine code comes from when the fatbin does not do. */
public class KernelImagesTest {

    private final FakeNvrtc nvrtc = new FakeNvrtc();
    private Path folder;

    @BeforeMethod
    public void reset() throws IOException {
        folder = Files.createTempDirectory("nvrtc");
        nvrtc.architectures = new int[] {75, 80, 86, 90, 100};
        nvrtc.compileResult = 0;
        nvrtc.options.clear();
        nvrtc.programs = 0;
    }

    @Test
    public void driverThatRefusesTheFatbinGetsCompiledKernels() throws BackendUnavailableException {
        FakeDriver driver = new FakeDriver().failing("cuModuleLoadDataEx", 1, 222);
        try (CudaDevice device =
                CudaDevice.open(driver, Fixtures.H100, Fixtures.manifest(), images())) {
            Assert.assertEquals(device.imageName(), "NVRTC");
            Assert.assertEquals(new String(driver.image, StandardCharsets.UTF_8), "sm_90a cubin");
        }
        driver.assertNothingHeld();
        Assert.assertEquals(nvrtc.programs, 0, "programs are destroyed");
        Assert.assertEquals(nvrtc.options, List.of("--gpu-architecture=sm_90a", "--std=c++17"));
        CudaDevice.open(
                        new FakeDriver().failing("cuModuleLoadDataEx", 1, 222),
                        Fixtures.H100,
                        Fixtures.manifest(),
                        images())
                .close();
        Assert.assertEquals(nvrtc.options.size(), 2, "the second time from the disk");
    }

    @Test
    public void otherFailuresAreNotTakenForABadImage() {
        FakeDriver driver = new FakeDriver().failing("cuModuleLoadDataEx", 1, 2);
        CudaException e =
                Assert.expectThrows(
                        CudaException.class,
                        () ->
                                CudaDevice.open(
                                        driver, Fixtures.H100, Fixtures.manifest(), images()));
        Assert.assertTrue(e.isOutOfMemory());
        Assert.assertTrue(nvrtc.options.isEmpty());
        driver.assertNothingHeld();
    }

    @Test
    public void targetIsTheGpuOrPtxBeforeIt() throws CompilationException {
        Nvrtc compiler = Nvrtc.open(nvrtc);
        Assert.assertEquals(compiler.version(), 12080);
        Assert.assertEquals(compiler.target(Fixtures.A100), "sm_80");
        Assert.assertEquals(compiler.target(Fixtures.H100), "sm_90a");
        Assert.assertEquals(compiler.target(Fixtures.gpu(12, 0)), "compute_100");
        Assert.assertEquals(compiler.target(Fixtures.gpu(8, 9)), "compute_86");
        nvrtc.architectures = new int[] {75};
        CompilationException e =
                Assert.expectThrows(
                        CompilationException.class, () -> Nvrtc.open(nvrtc).target(Fixtures.A100));
        Assert.assertTrue(e.getMessage().contains("NVRTC 12.8 has no target"), e.getMessage());
    }

    @Test
    public void compilersLogIsInTheRefusal() {
        nvrtc.compileResult = 6;
        FakeDriver driver = new FakeDriver().failing("cuModuleLoadDataEx", 1, 209);
        BackendUnavailableException e =
                Assert.expectThrows(
                        BackendUnavailableException.class,
                        () ->
                                CudaDevice.open(
                                        driver, Fixtures.H100, Fixtures.manifest(), images()));
        Assert.assertTrue(e.getMessage().contains("NVRTC_ERROR_COMPILATION"), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("line 3: what is this"), e.getMessage());
        Assert.assertEquals(nvrtc.programs, 0, "programs are destroyed");
        driver.assertNothingHeld();
    }

    @Test
    public void absentCompilerIsEmpty() {
        Assert.assertEquals(Nvrtc.find("libnvrtc-that-is-not-there.so"), Optional.empty());
    }

    /** The real compiler on the real source; it needs no GPU. */
    @Test
    public void installedCompilerCompilesTheKernels() throws Exception {
        Nvrtc compiler =
                Nvrtc.find()
                        .orElseThrow(() -> Requirement.NVRTC.missing("it is not installed here"));
        byte[] source;
        try (var in = getClass().getResourceAsStream(KernelManifest.FOLDER + KernelImages.SOURCE)) {
            if (in == null) {
                throw Requirement.NVCC.missing("the build left CUDA out, so there is no source");
            }
            source = in.readAllBytes();
        }
        String text = new String(source, StandardCharsets.UTF_8);
        for (Gpu gpu : List.of(Fixtures.A100, Fixtures.H100)) {
            byte[] cubin = compiler.compile(text, compiler.target(gpu));
            Assert.assertEquals(
                    new String(Arrays.copyOf(cubin, 4), StandardCharsets.ISO_8859_1), "\177ELF");
        }
    }

    private KernelImages images() {
        return new KernelImages(
                name -> name.getBytes(StandardCharsets.UTF_8),
                () -> Optional.of(Nvrtc.open(nvrtc)),
                new CubinCache(folder));
    }

    /** A compiler that answers with the name of the target. */
    private static final class FakeNvrtc implements Nvrtc.Api {

        private int[] architectures;
        private int compileResult;
        private int programs;
        private final List<String> options = new ArrayList<>();

        @Override
        public String nvrtcGetErrorString(int result) {
            return "NVRTC_ERROR_COMPILATION";
        }

        @Override
        public int nvrtcVersion(IntByReference major, IntByReference minor) {
            major.setValue(12);
            minor.setValue(8);
            return 0;
        }

        @Override
        public int nvrtcGetNumSupportedArchs(IntByReference count) {
            count.setValue(architectures.length);
            return 0;
        }

        @Override
        public int nvrtcGetSupportedArchs(int[] found) {
            System.arraycopy(architectures, 0, found, 0, found.length);
            return 0;
        }

        @Override
        public int nvrtcCreateProgram(
                PointerByReference program,
                byte[] source,
                String name,
                int numHeaders,
                Pointer headers,
                Pointer includeNames) {
            Assert.assertEquals(source[source.length - 1], 0, "the source ends in a zero");
            ++programs;
            return 0;
        }

        @Override
        public int nvrtcDestroyProgram(PointerByReference program) {
            --programs;
            return 0;
        }

        @Override
        public int nvrtcCompileProgram(Pointer program, int numOptions, String[] given) {
            options.addAll(Arrays.asList(given));
            return compileResult;
        }

        @Override
        public int nvrtcGetProgramLogSize(Pointer program, LongByReference size) {
            size.setValue(64);
            return 0;
        }

        @Override
        public int nvrtcGetProgramLog(Pointer program, byte[] log) {
            return fill(log, "line 3: what is this");
        }

        @Override
        public int nvrtcGetCUBINSize(Pointer program, LongByReference size) {
            size.setValue(image().length());
            return 0;
        }

        @Override
        public int nvrtcGetCUBIN(Pointer program, byte[] cubin) {
            return fill(cubin, image());
        }

        @Override
        public int nvrtcGetPTXSize(Pointer program, LongByReference size) {
            throw new AssertionError("no PTX is wanted for a GPU that the compiler knows");
        }

        @Override
        public int nvrtcGetPTX(Pointer program, byte[] ptx) {
            throw new AssertionError("no PTX is wanted for a GPU that the compiler knows");
        }

        private String image() {
            return options.get(options.size() - 2).substring("--gpu-architecture=".length())
                    + " cubin";
        }

        private static int fill(byte[] target, String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            System.arraycopy(bytes, 0, target, 0, bytes.length);
            return 0;
        }
    }
}

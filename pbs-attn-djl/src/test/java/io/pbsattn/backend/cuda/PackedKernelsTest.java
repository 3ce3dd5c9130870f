package io.pbsattn.backend.cuda;

import io.pbsattn.Requirement;
import io.pbsattn.backend.BackendUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.Assert;
import org.testng.annotations.Test;

/** The Java side against the kernels' header, and against what the build packed of them. */
public class PackedKernelsTest {

    /** Needs no compiler: the fields and constants of the headers are those that a host knows. */
    @Test
    public void aCallSetsEveryFieldOfTheHeader() throws IOException {
        KernelManifest manifest = Fixtures.manifest();
        Assert.assertEquals(manifest.callSize(), 50 * Long.BYTES);
        for (Gpu gpu : List.of(Fixtures.A100, Fixtures.H100)) {
            LaunchPlan plan =
                    new LaunchPlan(
                            Fixtures.call(4, 2, 64, 700, 900), gpu, CudaAttention.DEFAULT_BUDGET);
            ByteBuffer block = plan.block(plan.headRanges().get(0), 1 << 20).bytes();
            Assert.assertEquals(block.capacity(), manifest.callSize());
            Assert.assertEquals(block.getLong(manifest.fields().get("max_seqlen_k")), 900);
            Assert.assertEquals(block.getDouble(manifest.fields().get("threshold")), 0.9);
        }
    }

    @Test
    public void aFieldThatNothingSetsIsNamed() throws BackendUnavailableException {
        String json = Fixtures.manifestJson();
        KernelManifest more =
                KernelManifest.parse(
                        json.replace("\"call_size\":400", "\"call_size\":408")
                                .replace("\"kv_is_packed\"", "\"novelty\":400,\"kv_is_packed\""));
        CallBlock block = new CallBlock(more);
        for (String field : more.fields().keySet()) {
            if (!field.equals("novelty")) {
                block.set(field, 1);
            }
        }
        IllegalStateException missing =
                Assert.expectThrows(IllegalStateException.class, block::bytes);
        Assert.assertTrue(missing.getMessage().contains("[novelty]"), missing.getMessage());
        IllegalStateException unknown =
                Assert.expectThrows(IllegalStateException.class, () -> block.set("abacus", 1));
        Assert.assertTrue(unknown.getMessage().contains("abacus"), unknown.getMessage());
    }

    @Test
    public void theBuildPacksTheHeadersFieldsAndConstants() throws BackendUnavailableException {
        KernelManifest packed = packed();
        Assert.assertEquals(packed.fields(), Fixtures.manifest().fields());
        Assert.assertEquals(packed.constants(), Fixtures.manifest().constants());
        Assert.assertEquals(packed.headDims(), List.of(64, 96, 128, 256));
    }

    @Test
    public void theVersionIsThatOfTheHeader() throws IOException {
        String header = Files.readString(Path.of("../native-kernels/include/pbs_cuda.h"));
        Matcher version = Pattern.compile("#define PBS_CUDA_ABI_VERSION (\\d+)").matcher(header);
        Assert.assertTrue(version.find());
        Assert.assertEquals(Integer.parseInt(version.group(1)), KernelManifest.ABI_VERSION);
    }

    /** Every kernel that a plan may name is packed, and the plan knows every kernel. */
    @Test
    public void packedKernelsAreTheOnesThatPlansName() throws BackendUnavailableException {
        KernelManifest manifest = packed();
        TreeSet<String> named = new TreeSet<>();
        for (Gpu gpu : List.of(Fixtures.A100, Fixtures.H100)) {
            for (ElementType type : ElementType.values()) {
                for (int headDim : new int[] {64, 96, 128, 256}) {
                    CudaCall padded =
                            Fixtures.call(
                                    4,
                                    2,
                                    headDim,
                                    new io.pbsattn.SequenceLengths(
                                            new int[] {50, 900}, new int[] {700, 900}),
                                    900,
                                    900,
                                    io.pbsattn.PbsConfig.builder().optMinLength(0).build(),
                                    null);
                    CudaCall call =
                            new CudaCall(
                                    manifest,
                                    type,
                                    padded.q(),
                                    padded.k(),
                                    padded.v(),
                                    padded.o(),
                                    0,
                                    4,
                                    2,
                                    headDim,
                                    900,
                                    900,
                                    padded.lengths(),
                                    padded.config(),
                                    null);
                    LaunchPlan plan = new LaunchPlan(call, gpu, CudaAttention.DEFAULT_BUDGET);
                    for (Launch launch : plan.launches(plan.headRanges().get(0))) {
                        named.add(launch.kernel());
                        Assert.assertTrue(
                                launch.sharedBytes() <= (gpu.isHopper() ? 227 << 10 : 163 << 10),
                                launch + " on " + gpu);
                        Assert.assertTrue(
                                launch.threads() >= 32 && launch.threads() <= 1024,
                                launch.kernel());
                    }
                    if (plan.usesMaps()) {
                        Assert.assertEquals(plan.maps(plan.headRanges().get(0), 0).size(), 3);
                    }
                }
            }
        }
        Assert.assertEquals(named, new TreeSet<>(manifest.kernels().keySet()));
    }

    @Test
    public void fatbinAndSourceArePacked() throws BackendUnavailableException, IOException {
        KernelManifest manifest = packed();
        byte[] fatbin = resource(KernelImages.FATBIN);
        // The magic number of a fatbin, little-endian.
        Assert.assertEquals(
                new byte[] {fatbin[0], fatbin[1], fatbin[2], fatbin[3]},
                new byte[] {0x50, (byte) 0xed, 0x55, (byte) 0xba});
        String source = new String(resource(KernelImages.SOURCE), StandardCharsets.UTF_8);
        Assert.assertTrue(source.contains("pbs_cuda_call"), "the parameter block");
        Assert.assertTrue(manifest.architectures().contains("sm_80"), "" + manifest);
        Assert.assertTrue(manifest.architectures().contains("sm_90a"), "" + manifest);
    }

    /** The manifest of the build; a build without a compiler for CUDA has none. */
    private static KernelManifest packed() throws BackendUnavailableException {
        if (PackedKernelsTest.class.getResource(KernelManifest.FOLDER + "pbs_cuda.json") == null) {
            throw Requirement.NVCC.missing(
                    "the build left CUDA out, so there are no kernels to look at");
        }
        return KernelManifest.load();
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in =
                PackedKernelsTest.class.getResourceAsStream(KernelManifest.FOLDER + name)) {
            Assert.assertNotNull(in, name + " is packed beside the manifest");
            return in.readAllBytes();
        }
    }
}

package io.pbsattn.backend.cuda;

import io.pbsattn.Requirement;
import io.pbsattn.backend.BackendUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.Assert;
import org.testng.annotations.Test;

/** The Java side against the kernels' header, and against what the build packed of them. */
public class PackedKernelsTest {

    private static final Path HEADER = Path.of("../native-kernels/include/pbs_cuda.h");

    /** Needs no compiler: every field has 8 bytes, so the order is all there is to a layout. */
    @Test
    public void fieldsAreThoseOfTheHeader() throws IOException {
        String header = Files.readString(HEADER);
        int begin = header.indexOf("struct pbs_cuda_call {");
        String struct = header.substring(begin, header.indexOf("\n};", begin));
        Matcher matcher =
                Pattern.compile("^  (?:uint64_t|int64_t|double) (\\w+);", Pattern.MULTILINE)
                        .matcher(struct);
        List<String> fields = new ArrayList<>();
        while (matcher.find()) {
            fields.add(matcher.group(1));
        }
        List<String> expected = new ArrayList<>();
        for (CallField field : CallField.values()) {
            expected.add(field.name().toLowerCase(Locale.ROOT));
            Assert.assertEquals(field.offset(), 8 * (expected.size() - 1));
        }
        Assert.assertEquals(expected, fields);
        Assert.assertEquals(
                struct.lines().filter(l -> l.matches("  \\w.*;.*")).count(), fields.size());
    }

    @Test
    public void constantsAreThoseOfTheHeader() throws IOException {
        String header = Files.readString(HEADER);
        Assert.assertEquals(constant(header, "ABI_VERSION"), KernelManifest.ABI_VERSION);
        Assert.assertEquals(constant(header, "BLOCK_SIZE"), CudaCall.BLOCK_SIZE);
        Assert.assertEquals(constant(header, "MAX_SEGMENT_SIZE"), CudaCall.MAX_SEGMENT_SIZE);
        Assert.assertEquals(constant(header, "MAX_SEQLEN_K"), CudaCall.MAX_SEQLEN_K);
        Assert.assertEquals(constant(header, "KEYS_PER_SPLIT"), 1024);
        Assert.assertTrue(
                header.contains(
                        "enum pbs_cuda_key_order { PBS_CUDA_PER_QUERY_HEAD = 0,"
                                + " PBS_CUDA_PER_KV_HEAD = 1 }"));
    }

    private static int constant(String header, String name) {
        Matcher matcher = Pattern.compile("#define PBS_CUDA_" + name + " (\\d+)").matcher(header);
        Assert.assertTrue(matcher.find(), name);
        return Integer.parseInt(matcher.group(1));
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
                    LaunchPlan plan =
                            new LaunchPlan(call, gpu, manifest, CudaAttention.DEFAULT_BUDGET);
                    for (Launch launch : plan.launches(plan.windows().get(0))) {
                        named.add(launch.kernel());
                        Assert.assertTrue(
                                launch.sharedBytes() <= (gpu.isHopper() ? 227 << 10 : 163 << 10),
                                launch + " on " + gpu);
                        Assert.assertTrue(
                                launch.threads() >= 32 && launch.threads() <= 1024,
                                launch.kernel());
                    }
                    if (plan.usesMaps()) {
                        Assert.assertEquals(plan.maps(plan.windows().get(0), 0).size(), 3);
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

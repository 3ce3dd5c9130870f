package io.pbsattn.backend.cuda;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.AttentionOutput;
import io.pbsattn.KeyOrder;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/**
 * Whole calls without a GPU: the backend's host side through JCuda, on a driver that runs the
 * kernels in their emulation (native-kernels/test/cuda), against the reference backend in float64.
 */
public class EmulatedGpuTest {

    private static final Path SOURCES = Path.of("../native-kernels/test/cuda").toAbsolutePath();
    private static final long SEED = 20251021;

    /** Small, so that the heads of a call go through the workspace in several head ranges. */
    private static final String WORKSPACE_MIB = "1";

    private CompiledDriver driver;
    private Path kernels;

    /** One call; the configuration is the default but for what is here. */
    private record Call(
            String name,
            int numQHeads,
            int numKvHeads,
            int headDim,
            int seqlenQ,
            int seqlenK,
            List<Integer> lengthsQ,
            List<Integer> lengthsK,
            boolean rowsFirst,
            boolean perKvHead,
            double threshold) {

        SequenceLengths lengths() {
            return new SequenceLengths(
                    lengthsQ.stream().mapToInt(Integer::intValue).toArray(),
                    lengthsK.stream().mapToInt(Integer::intValue).toArray());
        }

        PbsConfig config() {
            return PbsConfig.builder()
                    .optThreshold(threshold)
                    .optMinLength(0)
                    .optKeyOrder(perKvHead ? KeyOrder.PER_KV_HEAD : KeyOrder.PER_QUERY_HEAD)
                    .build();
        }
    }

    private static final List<Call> CALLS =
            List.of(
                    new Call(
                            "head ranges, suffix",
                            6,
                            3,
                            64,
                            300,
                            901,
                            List.of(300),
                            List.of(901),
                            false,
                            false,
                            0.6),
                    new Call(
                            "padded batch, rows first",
                            2,
                            1,
                            128,
                            400,
                            513,
                            List.of(1, 400),
                            List.of(500, 401),
                            true,
                            false,
                            0.9),
                    new Call(
                            "shared order",
                            4,
                            2,
                            96,
                            650,
                            650,
                            List.of(650),
                            List.of(650),
                            true,
                            true,
                            0.5),
                    new Call(
                            "every block",
                            2,
                            2,
                            256,
                            300,
                            300,
                            List.of(300),
                            List.of(300),
                            false,
                            false,
                            1));

    @BeforeClass
    public void compileEmulation() throws IOException, InterruptedException {
        driver =
                CompiledDriver.compile(
                        "c++",
                        "-std=c++17",
                        "-O1",
                        "-DPBS_CUDA_EMULATION",
                        "-I" + SOURCES,
                        "-I" + SOURCES.resolve("../../cuda"),
                        "-I" + SOURCES.resolve("../../include"),
                        SOURCES.resolve("emulated_driver.cc").toString(),
                        SOURCES.resolve("emulated_device.cc").toString(),
                        SOURCES.resolve("emulation.cc").toString());
        // The driver takes any image for its own kernels; a build without nvcc has none at all.
        if (getClass().getResource(KernelManifest.FOLDER + "pbs_cuda.json") == null) {
            kernels = driver.folder().resolve("kernels");
            Path folder = kernels.resolve("native/cuda");
            Files.createDirectories(folder);
            Files.writeString(folder.resolve("pbs_cuda.json"), Fixtures.manifestJson());
            Files.writeString(folder.resolve(KernelImages.FATBIN), "any");
        }
    }

    /** Hopper's kernels, and the portable ones. */
    @DataProvider
    public Object[][] capabilities() {
        return new Object[][] {{"90", "pbs_attend_wgmma_bf16"}, {"80", "pbs_attend_bf16"}};
    }

    @Test(dataProvider = "capabilities")
    public void equalsReference(String capability, String attendKernel)
            throws IOException, InterruptedException {
        Path folder = Files.createDirectories(driver.folder().resolve("sm_" + capability));
        List<Map<String, Object>> jobs = new ArrayList<>();
        for (Call call : CALLS) {
            jobs.add(job(call, folder.resolve(Integer.toString(jobs.size()))));
        }
        Files.writeString(folder.resolve("jobs.json"), new Gson().toJson(jobs));
        Path report = folder.resolve("report.json");
        List<String> output =
                driver.java(
                        List.of(
                                "-D"
                                        + CudaBackendProvider.WORKSPACE_PROPERTY
                                        + "="
                                        + WORKSPACE_MIB),
                        Map.of("PBS_EMULATED_CAPABILITY", capability),
                        kernels,
                        GpuCheck.class,
                        folder.resolve("jobs.json").toString(),
                        report.toString(),
                        "fatbin");
        Assert.assertTrue(Files.exists(report), String.join("\n", output));
        JsonArray outcomes =
                JsonParser.parseString(Files.readString(report))
                        .getAsJsonObject()
                        .getAsJsonArray("jobs");
        for (int i = 0; i < CALLS.size(); ++i) {
            JsonObject outcome = outcomes.get(i).getAsJsonObject();
            Call call = CALLS.get(i);
            Assert.assertFalse(outcome.has("error"), call.name + ": " + outcome);
            Assert.assertEquals(
                    outcome.get("attendKernel").getAsString(), attendKernel + "_d" + call.headDim);
            compare(call, folder.resolve(Integer.toString(i)), outcome);
        }
        int ranges = outcomes.get(0).getAsJsonObject().get("headRanges").getAsInt();
        Assert.assertEquals(ranges > 1, capability.equals("90"), "packed keys fill a workspace");
    }

    private static Map<String, Object> job(Call call, Path folder) throws IOException {
        Files.createDirectories(folder);
        for (int which = 0; which < 3; ++which) {
            float[] values = values(call, which);
            ByteBuffer bytes =
                    ByteBuffer.allocate(2 * values.length).order(ByteOrder.nativeOrder());
            for (float value : values) {
                bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
            }
            Files.write(folder.resolve("qkv".charAt(which) + ".bin"), bytes.array());
        }
        Map<String, Object> job = new LinkedHashMap<>();
        job.put("folder", folder.toString());
        job.put("type", "BF16");
        job.put("numQHeads", call.numQHeads);
        job.put("numKvHeads", call.numKvHeads);
        job.put("headDim", call.headDim);
        job.put("seqlenQ", call.seqlenQ);
        job.put("seqlenK", call.seqlenK);
        job.put("lengthsQ", call.lengthsQ);
        job.put("lengthsK", call.lengthsK);
        job.put("rowsFirst", call.rowsFirst);
        job.put("segmentSize", call.config().segmentSize());
        job.put("threshold", call.threshold);
        job.put("forceFirstBlock", true);
        job.put("perKvHead", call.perKvHead);
        job.put("minLength", 0);
        return job;
    }

    /** Normal noise that bfloat16 holds exactly, in the order of the job. */
    private static float[] values(Call call, int which) {
        Random random = new Random(SEED + which);
        long rows = which == 0 ? call.seqlenQ : call.seqlenK;
        long heads = which == 0 ? call.numQHeads : call.numKvHeads;
        float[] values = new float[(int) (call.lengthsQ.size() * heads * rows * call.headDim)];
        for (int i = 0; i < values.length; ++i) {
            int bits = Float.floatToRawIntBits((float) random.nextGaussian());
            values[i] = Float.intBitsToFloat(bits & 0xffff0000);
        }
        return values;
    }

    private static void compare(Call call, Path folder, JsonObject outcome) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                AttentionOutput expected =
                        PbsAttention.create(call.config(), "reference")
                                .forward(
                                        array(manager, call, 0),
                                        array(manager, call, 1),
                                        array(manager, call, 2),
                                        call.lengths())) {
            Shape shape = expected.o().getShape();
            NDArray o = manager.create(bfloat16(folder.resolve("o.bin")), shape);
            NDArray lse = manager.create(floats(folder.resolve("lse.bin")), shape.slice(0, 3));
            Assert.assertEquals(
                    outcome.get("keptBlocks").getAsLong(),
                    expected.report().keptBlocks(),
                    call.name);
            Assert.assertEquals(
                    outcome.get("causalBlocks").getAsLong(),
                    expected.report().causalBlocks(),
                    call.name);
            NDArray difference = o.toType(DataType.FLOAT64, false).sub(expected.o());
            double error = norm(difference) / norm(expected.o());
            Assert.assertTrue(error < 5e-3, call.name + ": output error " + error);
            for (int b = 0; b < call.lengthsQ.size(); ++b) {
                NDIndex rows = new NDIndex("{}, :, :{}", b, call.lengthsQ.get(b));
                double lseError =
                        lse.get(rows)
                                .toType(DataType.FLOAT64, false)
                                .sub(expected.lse().get(rows))
                                .abs()
                                .max()
                                .getDouble();
                Assert.assertTrue(lseError < 1e-5, call.name + ": lse error " + lseError);
                if (call.lengthsQ.get(b) < call.seqlenQ) {
                    NDIndex padding = new NDIndex("{}, :, {}:", b, call.lengthsQ.get(b));
                    Assert.assertEquals(o.get(padding).abs().max().getFloat(), 0f);
                    Assert.assertEquals(lse.get(padding).max().getFloat(), Float.NEGATIVE_INFINITY);
                }
            }
        }
    }

    /** (batch, heads, rows, headDim) in float64. */
    private static NDArray array(NDManager manager, Call call, int which) {
        long batch = call.lengthsQ.size();
        long rows = which == 0 ? call.seqlenQ : call.seqlenK;
        long heads = which == 0 ? call.numQHeads : call.numKvHeads;
        NDArray values =
                manager.create(
                        values(call, which),
                        call.rowsFirst
                                ? new Shape(batch, rows, heads, call.headDim)
                                : new Shape(batch, heads, rows, call.headDim));
        NDArray seen = call.rowsFirst ? values.swapAxes(1, 2) : values;
        return seen.toType(DataType.FLOAT64, false);
    }

    private static double norm(NDArray x) {
        return Math.sqrt(x.square().sum().getDouble());
    }

    private static float[] bfloat16(Path file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder());
        float[] values = new float[bytes.capacity() / 2];
        for (int i = 0; i < values.length; ++i) {
            values[i] = Float.intBitsToFloat(bytes.getShort(2 * i) << 16);
        }
        return values;
    }

    private static float[] floats(Path file) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder());
        float[] values = new float[bytes.capacity() / Float.BYTES];
        bytes.asFloatBuffer().get(values);
        return values;
    }
}

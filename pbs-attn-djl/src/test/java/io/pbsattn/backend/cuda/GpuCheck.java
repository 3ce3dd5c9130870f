package io.pbsattn.backend.cuda;

import com.google.gson.Gson;
import io.pbsattn.AttentionTrace;
import io.pbsattn.KeyOrder;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.backend.cuda.CubinCache.CompilationException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The Java side of native-kernels/gpu-check: runs attention calls that the script left in folders,
 * through {@link CudaAttention} on memory of its own, and leaves the results beside them.
 *
 * <p>A job's folder holds q.bin, k.bin and v.bin, 16-bit elements in the order that the job names;
 * o.bin, lse.bin and, with a trace, indices.bin, key_scores.bin, block_scores.bin and
 * block_mask.bin come back, each (batch, heads, ...) without gaps.
 */
public final class GpuCheck {

    private static final long CHUNK = 1L << 28;
    private static final long DEFAULT_STREAM = 0;

    /** Memory that a job with "fill" leaves free. */
    private static final long LEFT_FREE = 8L << 20;

    private final CudaDriver driver;
    private final CudaDevice device;
    private final CudaAttention attention;

    /** One call; the names are those of {@link CudaCall} and {@link PbsConfig}. */
    private static final class Job {
        String folder;
        String type;
        int numQHeads;
        int numKvHeads;
        int headDim;
        int seqlenQ;
        int seqlenK;
        int[] lengthsQ;
        int[] lengthsK;
        boolean rowsFirst;
        int segmentSize;
        double threshold;
        boolean forceFirstBlock;
        boolean perKvHead;
        int minLength;
        double softmaxScale;
        boolean trace;

        /** Takes all memory of the GPU first, to see what is said then. */
        boolean fill;

        int warmUp;
        int repeat;
    }

    /** What came of a job; of one that failed its folder and the error alone. */
    private record Outcome(
            String folder,
            String error,
            long keptBlocks,
            long causalBlocks,
            long workspaceBytes,
            int headRanges,
            String attendKernel,
            List<Map<Launch.Stage, Double>> seconds,
            List<Double> callSeconds) {}

    /** What the jobs ran on, and what came of them. */
    private record Report(
            String gpu, String driver, String kernels, double openSeconds, List<Outcome> jobs) {}

    private GpuCheck(CudaDriver driver, CudaDevice device, long budget) {
        this.driver = driver;
        this.device = device;
        attention = new CudaAttention(device, budget);
    }

    /**
     * Runs the jobs of a file on the first GPU.
     *
     * @param args the file with a JSON array of jobs, the file to write the report to, and how the
     *     kernels are to be had: fatbin or nvrtc
     */
    public static void main(String[] args) throws IOException, BackendUnavailableException {
        if (args.length != 3 || !List.of("fatbin", "nvrtc").contains(args[2])) {
            System.err.println("usage: GpuCheck JOBS.json REPORT.json fatbin|nvrtc");
            System.exit(2);
        }
        Job[] jobs = new Gson().fromJson(Files.readString(Path.of(args[0])), Job[].class);
        CudaDriver driver;
        List<Gpu> gpus;
        try {
            driver = DriverLibrary.open();
            gpus = Gpu.list(driver);
        } catch (BackendUnavailableException e) {
            System.err.println("gpu-check: " + e.getMessage());
            System.exit(1);
            return;
        }
        int[] version = new int[1];
        driver.cuDriverGetVersion(version);
        long start = System.nanoTime();
        KernelImages images = args[2].equals("fatbin") ? KernelImages.packed() : withoutFatbin();
        try (CudaDevice device =
                CudaDevice.open(driver, gpus.get(0), KernelManifest.load(), images)) {
            double openSeconds = (System.nanoTime() - start) / 1e9;
            long mebibytes = Long.getLong(CudaBackendProvider.WORKSPACE_PROPERTY, 1024);
            GpuCheck check = new GpuCheck(driver, device, mebibytes << 20);
            List<Outcome> outcomes = new ArrayList<>();
            for (Job job : jobs) {
                outcomes.add(check.outcome(job));
            }
            Report report =
                    new Report(
                            gpus.get(0).toString(),
                            "CUDA " + Gpu.versionName(version[0]),
                            device.imageName(),
                            openSeconds,
                            outcomes);
            Files.writeString(Path.of(args[1]), new Gson().toJson(report));
        }
    }

    /** So that NVRTC is checked on a GPU that does not need it. */
    private static KernelImages withoutFatbin() throws IOException {
        return new KernelImages(
                name -> {
                    if (name.equals(KernelImages.FATBIN)) {
                        throw new CompilationException("left out on purpose");
                    }
                    return KernelImages.resource(name);
                },
                Nvrtc::find,
                new CubinCache(Files.createTempDirectory("nvrtc")));
    }

    private Outcome outcome(Job job) throws IOException {
        try {
            return run(job);
        } catch (IllegalArgumentException | IllegalStateException e) {
            return new Outcome(job.folder, e.getMessage(), 0, 0, 0, 0, null, List.of(), List.of());
        }
    }

    private Outcome run(Job job) throws IOException {
        Path folder = Path.of(job.folder);
        SequenceLengths lengths = new SequenceLengths(job.lengthsQ, job.lengthsK);
        long batch = lengths.batch();
        long qElements = batch * job.numQHeads * job.seqlenQ * job.headDim;
        long lseElements = batch * job.numQHeads * job.seqlenQ;
        PbsConfig.Builder config =
                PbsConfig.builder()
                        .optSegmentSize(job.segmentSize)
                        .optThreshold(job.threshold)
                        .optForceFirstBlock(job.forceFirstBlock)
                        .optKeyOrder(job.perKvHead ? KeyOrder.PER_KV_HEAD : KeyOrder.PER_QUERY_HEAD)
                        .optMinLength(job.minLength);
        if (job.softmaxScale > 0) {
            config.optSoftmaxScale(job.softmaxScale);
        }
        try (DeviceScope scope = device.enter(DEFAULT_STREAM)) {
            CudaTensor q = upload(folder.resolve("q.bin"), job, job.numQHeads, job.seqlenQ, scope);
            CudaTensor k = upload(folder.resolve("k.bin"), job, job.numKvHeads, job.seqlenK, scope);
            CudaTensor v = upload(folder.resolve("v.bin"), job, job.numKvHeads, job.seqlenK, scope);
            long o = scope.allocate(qElements * ElementType.BYTES);
            long lse = scope.allocate(lseElements * Float.BYTES);
            AttentionTrace trace = job.trace ? new AttentionTrace() : null;
            CudaCall call =
                    new CudaCall(
                            device.manifest(),
                            ElementType.valueOf(job.type),
                            q,
                            k,
                            v,
                            CudaTensor.contiguous(o, job.numQHeads, job.seqlenQ, job.headDim),
                            lse,
                            job.numQHeads,
                            job.numKvHeads,
                            job.headDim,
                            job.seqlenQ,
                            job.seqlenK,
                            lengths,
                            config.build(),
                            trace);
            if (job.fill) {
                fill(scope);
            }
            LaunchPlan plan = attention.plan(call);
            List<Launch> launches = plan.launches(plan.headRanges().get(0));
            List<Map<Launch.Stage, Double>> seconds = new ArrayList<>();
            List<Double> callSeconds = new ArrayList<>();
            long keptBlocks = 0;
            for (int i = -job.warmUp; i < Math.max(1, job.repeat); ++i) {
                long start = System.nanoTime();
                CudaAttention.Result result = attention.run(call, DEFAULT_STREAM);
                if (i >= 0) {
                    callSeconds.add((System.nanoTime() - start) / 1e9);
                    seconds.add(result.seconds());
                    keptBlocks = result.keptBlocks();
                }
            }
            download(o, qElements * ElementType.BYTES, folder.resolve("o.bin"), scope);
            download(lse, lseElements * Float.BYTES, folder.resolve("lse.bin"), scope);
            if (trace != null) {
                write(trace, call, folder);
            }
            return new Outcome(
                    job.folder,
                    null,
                    keptBlocks,
                    call.causalBlocks(),
                    plan.workspace().bytes(),
                    plan.headRanges().size(),
                    launches.get(launches.size() - 1).kernel(),
                    seconds,
                    callSeconds);
        }
    }

    /** Allocates all but a little of what is free. */
    private void fill(DeviceScope scope) {
        long[] free = new long[1];
        driver.check(driver.cuMemGetInfo(free, new long[1]), "cuMemGetInfo", "filling");
        for (long size = Long.highestOneBit(free[0]); size >= LEFT_FREE / 2; size /= 2) {
            driver.check(driver.cuMemGetInfo(free, new long[1]), "cuMemGetInfo", "filling");
            if (free[0] - LEFT_FREE >= size) {
                scope.allocate(size);
                scope.synchronize();
            }
        }
    }

    private static CudaTensor upload(Path file, Job job, int heads, int rows, DeviceScope scope)
            throws IOException {
        long bytes = (long) job.lengthsQ.length * heads * rows * job.headDim * ElementType.BYTES;
        if (Files.size(file) != bytes) {
            throw new IOException(
                    file + ": expected " + bytes + " bytes, found " + Files.size(file));
        }
        long address = scope.allocate(bytes);
        try (FileChannel channel = FileChannel.open(file)) {
            for (long at = 0; at < bytes; at += CHUNK) {
                long size = Math.min(CHUNK, bytes - at);
                MappedByteBuffer chunk = channel.map(FileChannel.MapMode.READ_ONLY, at, size);
                scope.upload(chunk, address + at, file.getFileName().toString());
                scope.synchronize();
            }
        }
        CudaTensor plain = CudaTensor.contiguous(address, heads, rows, job.headDim);
        return job.rowsFirst
                ? new CudaTensor(
                        address, plain.batchStride(), job.headDim, (long) heads * job.headDim)
                : plain;
    }

    private static void download(long address, long bytes, Path file, DeviceScope scope)
            throws IOException {
        ByteBuffer chunk =
                ByteBuffer.allocateDirect((int) Math.min(CHUNK, bytes))
                        .order(ByteOrder.nativeOrder());
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            for (long at = 0; at < bytes; at += chunk.capacity()) {
                ByteBuffer part = chunk.slice(0, (int) Math.min(chunk.capacity(), bytes - at));
                scope.download(part, address + at, file.getFileName().toString());
                scope.synchronize();
                while (part.hasRemaining()) {
                    channel.write(part);
                }
            }
        }
    }

    private static void write(AttentionTrace trace, CudaCall call, Path folder) throws IOException {
        int rows = call.batch() * call.numQHeads();
        int blocks = trace.qBlocks() * trace.kBlocks();
        ByteBuffer indices = buffer((long) Integer.BYTES * rows * call.seqlenK());
        ByteBuffer keyScores = buffer((long) Float.BYTES * rows * call.seqlenK());
        ByteBuffer blockScores = buffer((long) Float.BYTES * rows * blocks);
        ByteBuffer blockMask = buffer((long) rows * blocks);
        for (int b = 0; b < call.batch(); ++b) {
            for (int h = 0; h < call.numQHeads(); ++h) {
                for (int index : trace.indices(b, h)) {
                    indices.putInt(index);
                }
                for (float score : trace.keyScores(b, h)) {
                    keyScores.putFloat(score);
                }
                for (float score : trace.blockScores(b, h)) {
                    blockScores.putFloat(score);
                }
                for (boolean kept : trace.blockMask(b, h)) {
                    blockMask.put((byte) (kept ? 1 : 0));
                }
            }
        }
        write(indices, folder.resolve("indices.bin"));
        write(keyScores, folder.resolve("key_scores.bin"));
        write(blockScores, folder.resolve("block_scores.bin"));
        write(blockMask, folder.resolve("block_mask.bin"));
    }

    private static void write(ByteBuffer buffer, Path file) throws IOException {
        buffer.flip();
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE)) {
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
        }
    }

    private static ByteBuffer buffer(long bytes) {
        return ByteBuffer.allocate(Math.toIntExact(bytes)).order(ByteOrder.nativeOrder());
    }
}

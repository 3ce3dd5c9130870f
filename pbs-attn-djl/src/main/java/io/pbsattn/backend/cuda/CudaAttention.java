package io.pbsattn.backend.cuda;

import io.pbsattn.backend.cuda.WorkspaceLayout.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Runs attention calls on device memory: permute, select, attend. It knows addresses and streams,
 * no arrays of an engine. Safe to use from several threads.
 */
final class CudaAttention {

    /** Bytes that a workspace keeps to where it can. */
    static final long DEFAULT_BUDGET = 1L << 30;

    private static final String ARRAYS = "qkv";

    private final CudaDevice device;
    private final long budget;

    /**
     * Constructs the runner.
     *
     * @param device the GPU
     * @param budget bytes that a workspace keeps to where it can
     */
    CudaAttention(CudaDevice device, long budget) {
        this.device = device;
        this.budget = budget;
    }

    /**
     * What a call did.
     *
     * @param keptBlocks blocks that were computed, over all sequences and query heads
     * @param seconds time that the GPU spent in each stage
     */
    record Result(long keptBlocks, Map<Launch.Stage, Double> seconds) {}

    /** Plans a call without touching the GPU. */
    LaunchPlan plan(CudaCall call) {
        return new LaunchPlan(call, device.gpu(), budget);
    }

    /**
     * Runs a call in stream order and waits for its end.
     *
     * @param call the call; its memory was allocated before on the same stream, or is there for
     *     sure
     * @param stream a stream of the device; 0 is the default stream
     * @return what it did
     * @throws IllegalArgumentException if q, k or v holds NaN or infinity
     * @throws CudaException if the driver refuses a call; memory that the call took is released
     */
    Result run(CudaCall call, long stream) {
        LaunchPlan plan = plan(call);
        WorkspaceLayout workspace = plan.workspace();
        TraceDownload trace = TraceDownload.of(call, workspace);
        KernelManifest.Constants constants = call.manifest().constants();
        ByteBuffer counters = buffer(constants.counters() * Long.BYTES);
        try (DeviceScope scope = device.enter(stream)) {
            long base = scope.allocate(workspace.bytes());
            scope.clear(workspace.address(Array.COUNTERS, base), workspace.bytes(Array.COUNTERS));
            uploadLengths(call, workspace, base, scope);
            List<Mark> marks = new ArrayList<>();
            for (LaunchPlan.HeadRange heads : plan.headRanges()) {
                launch(plan, heads, base, scope, marks);
                trace.download(heads, base, scope);
            }
            scope.download(counters, workspace.address(Array.COUNTERS, base), "the counters");
            scope.synchronize();
            requireFinite(counters.getLong(constants.notFinite() * Long.BYTES), constants);
            trace.fill();
            long keptBlocks = counters.getLong(constants.keptBlocks() * Long.BYTES);
            return new Result(keptBlocks, seconds(marks, scope));
        }
    }

    /** A point in time on the stream: the end of a stage, or with no stage the begin of one. */
    private record Mark(Launch.Stage ended, long event) {}

    private static void launch(
            LaunchPlan plan,
            LaunchPlan.HeadRange heads,
            long base,
            DeviceScope scope,
            List<Mark> marks) {
        ByteBuffer block = plan.block(heads, base).bytes();
        List<ByteBuffer> parameters = new ArrayList<>(List.of(block));
        if (plan.usesMaps()) {
            plan.maps(heads, base).forEach(map -> parameters.add(scope.encode(map)));
        }
        marks.add(new Mark(null, scope.record()));
        Launch.Stage stage = Launch.Stage.PERMUTE;
        for (Launch launch : plan.launches(heads)) {
            if (launch.stage() != stage) {
                marks.add(new Mark(stage, scope.record()));
                stage = launch.stage();
            }
            if (launch.takesMaps()) {
                scope.launch(launch, parameters.toArray(ByteBuffer[]::new));
            } else {
                scope.launch(launch, block);
            }
        }
        marks.add(new Mark(stage, scope.record()));
    }

    private static Map<Launch.Stage, Double> seconds(List<Mark> marks, DeviceScope scope) {
        Map<Launch.Stage, Double> seconds = new EnumMap<>(Launch.Stage.class);
        for (int i = 1; i < marks.size(); ++i) {
            Mark mark = marks.get(i);
            if (mark.ended() != null) {
                double time = scope.seconds(marks.get(i - 1).event(), mark.event());
                seconds.merge(mark.ended(), time, Double::sum);
            }
        }
        return seconds;
    }

    private static void uploadLengths(
            CudaCall call, WorkspaceLayout workspace, long base, DeviceScope scope) {
        ByteBuffer q = buffer(Integer.BYTES * call.batch());
        ByteBuffer k = buffer(Integer.BYTES * call.batch());
        for (int b = 0; b < call.batch(); ++b) {
            q.putInt(Integer.BYTES * b, call.lengths().q(b));
            k.putInt(Integer.BYTES * b, call.lengths().k(b));
        }
        if (workspace.bytes(Array.SEQLENS_Q) > 0) {
            scope.upload(q, workspace.address(Array.SEQLENS_Q, base), "seqlensQ");
        }
        if (workspace.bytes(Array.SEQLENS_K) > 0) {
            scope.upload(k, workspace.address(Array.SEQLENS_K, base), "seqlensK");
        }
    }

    /** Reads what pbs_check_finite found: 0, or ~n where n says array, sequence, head and row. */
    private static void requireFinite(long found, KernelManifest.Constants constants) {
        if (found == 0) {
            return;
        }
        int array = (int) bits(~found, constants.arrayShift(), Long.SIZE);
        if (array >= ARRAYS.length()) {
            throw new IllegalStateException(
                    "cuda: pbs_check_finite left " + found + ", which names no array");
        }
        throw new IllegalArgumentException(
                String.format(
                        "%s: NaN or infinity in sequence %d, head %d, row %d",
                        ARRAYS.charAt(array),
                        bits(~found, constants.sequenceShift(), constants.arrayShift()),
                        bits(~found, constants.headShift(), constants.sequenceShift()),
                        bits(~found, 0, constants.headShift())));
    }

    /** Bits from a first one to one before an end. */
    private static long bits(long n, int begin, int end) {
        return n << (Long.SIZE - end) >>> (Long.SIZE - end + begin);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }
}

package io.pbsattn.backend.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * What is launched for a call, and with which workspace: the rules of
 * native-kernels/include/pbs_cuda.h as a pure function of the call and the GPU.
 *
 * <p>A call runs in windows of query heads, one after the other in the same workspace, so that the
 * workspace stays near its budget however many heads and tokens there are.
 */
final class LaunchPlan {

    private static final int KEYS_PER_SPLIT = 1024;

    /** Query heads from headBegin on. */
    record Window(int headBegin, int headCount) {}

    private final CudaCall call;
    private final Gpu gpu;
    private final KernelManifest manifest;
    private final String attendKernel;
    private final WorkspaceLayout workspace;
    private final List<Window> windows = new ArrayList<>();
    private final long qBlocks;
    private final long kBlocks;

    /**
     * Plans a call.
     *
     * @param call the call
     * @param gpu where it runs
     * @param manifest the kernels
     * @param budget bytes that the workspace keeps to if it can; it never gets smaller than what
     *     the query heads of one KV head need
     * @throws ArithmeticException if a size exceeds what a launch can say
     */
    LaunchPlan(CudaCall call, Gpu gpu, KernelManifest manifest, long budget) {
        this.call = call;
        this.gpu = gpu;
        this.manifest = manifest;
        qBlocks = ceilDiv(call.seqlenQ(), CudaCall.BLOCK_SIZE);
        kBlocks = ceilDiv(call.seqlenK(), CudaCall.BLOCK_SIZE);
        String suffix = call.type().suffix() + "_d" + call.headDim();
        String wgmma = "pbs_attend_wgmma_" + suffix;
        attendKernel =
                gpu.isHopper() && manifest.hasKernel(wgmma, gpu) && areMappable()
                        ? wgmma
                        : "pbs_attend_" + suffix;
        int most = call.numKvHeads();
        while (most > 1 && layout(most).bytes() > budget) {
            --most;
        }
        int count = (int) ceilDiv(call.numKvHeads(), most);
        int groups = (int) ceilDiv(call.numKvHeads(), count); // windows as equal as can be
        workspace = layout(groups);
        for (int begin = 0; begin < call.numKvHeads(); begin += groups) {
            int groupsHere = Math.min(groups, call.numKvHeads() - begin);
            windows.add(new Window(begin * call.groupSize(), groupsHere * call.groupSize()));
        }
    }

    List<Window> windows() {
        return windows;
    }

    WorkspaceLayout workspace() {
        return workspace;
    }

    /** Whether the attend kernel reads tensor maps. */
    boolean usesMaps() {
        return manifest.kernel(attendKernel).maps() > 0;
    }

    /**
     * Whether tensor maps show the packed keys and values, and not k and v themselves: these hold
     * the keys in their old order, and past a sequence's end whatever the caller left there.
     */
    boolean packsForMaps() {
        return usesMaps() && (call.isSparse() || call.hasPaddedKeys());
    }

    /** Query blocks that one block of threads of pbs_select takes. */
    int selectRows() {
        return kBlocks <= 1024 ? 4 : kBlocks <= 2048 ? 2 : 1;
    }

    /** The launches of a window in their order. */
    List<Launch> launches(Window window) {
        List<Launch> launches = new ArrayList<>();
        long heads = window.headCount();
        long batch = call.batch();
        long orders = call.sharesOrder() ? heads / call.groupSize() : heads;
        long splits = ceilDiv(call.seqlenK(), KEYS_PER_SPLIT);
        long segments = ceilDiv(call.seqlenK(), call.config().segmentSize());
        String type = call.type().suffix();
        String suffix = type + "_d" + call.headDim();
        if (window.headBegin() == 0) {
            long rowTiles = ceilDiv(call.seqlenK(), CudaCall.BLOCK_SIZE);
            long arrays = call.numQHeads() + 2L * call.numKvHeads();
            launches.add(launch("pbs_check_finite", dim3(rowTiles, arrays, batch), Stage.PERMUTE));
        }
        if (call.hasPaddedQueries()) {
            launches.add(launch("pbs_clear_padding", dim3(qBlocks, heads, batch), Stage.PERMUTE));
        }
        if (call.isSparse()) {
            Dim3 grid = dim3(splits, heads, batch);
            launches.add(launch("pbs_score_sums_" + suffix, grid, Stage.PERMUTE));
            launches.add(launch("pbs_score_keys_" + suffix, grid, Stage.PERMUTE));
        }
        launches.add(
                launch(
                        "pbs_sort_segments",
                        dim3(segments, orders, batch),
                        8 * pow2(call.config().segmentSize()),
                        Stage.PERMUTE));
        if (call.isSparse() || packsForMaps()) {
            launches.add(launch("pbs_pack_" + type, dim3(kBlocks, orders, batch), Stage.PERMUTE));
        }
        if (call.isSparse()) {
            launches.add(
                    launch("pbs_pool_queries_" + type, dim3(qBlocks, heads, batch), Stage.SELECT));
        }
        launches.add(
                launch(
                        "pbs_select",
                        dim3(ceilDiv(qBlocks, selectRows()), heads, batch),
                        4L * selectRows() * kBlocks + 8 * pow2(kBlocks),
                        Stage.SELECT));
        launches.add(
                launch("pbs_schedule", dim3(heads, batch, 1), 4 * pow2(qBlocks), Stage.SELECT));
        long tiles = Math.multiplyExact(Math.multiplyExact(qBlocks, heads), batch);
        long blocks = usesMaps() ? Math.min(gpu.multiprocessors(), tiles) : tiles;
        launches.add(launch(attendKernel, dim3(blocks, 1, 1), Stage.ATTEND));
        return launches;
    }

    /** Fills in a window's parameters; the workspace begins at `base`. */
    CallBlock block(Window window, long base) {
        CallBlock block = new CallBlock();
        block.set(CallField.Q, call.q());
        block.set(CallField.K, call.k());
        block.set(CallField.V, call.v());
        block.set(CallField.O, call.o());
        block.set(CallField.LSE, call.lse());
        block.set(CallField.BATCH, call.batch());
        block.set(CallField.NUM_Q_HEADS, call.numQHeads());
        block.set(CallField.NUM_KV_HEADS, call.numKvHeads());
        block.set(CallField.HEAD_DIM, call.headDim());
        block.set(CallField.MAX_SEQLEN_Q, call.seqlenQ());
        block.set(CallField.MAX_SEQLEN_K, call.seqlenK());
        block.set(CallField.HEAD_BEGIN, window.headBegin());
        block.set(CallField.HEAD_COUNT, window.headCount());
        block.set(CallField.SEGMENT_SIZE, call.config().segmentSize());
        block.set(CallField.MIN_LENGTH, call.minLength());
        block.set(CallField.FORCE_FIRST_BLOCK, call.config().forceFirstBlock() ? 1 : 0);
        block.set(CallField.KEY_ORDER, call.sharesOrder() ? 1 : 0);
        block.set(CallField.SELECT_ROWS, selectRows());
        block.set(CallField.FINITE_MASK, call.type().exponentBits());
        block.set(CallField.THRESHOLD, call.config().threshold());
        block.set(CallField.SOFTMAX_SCALE, call.softmaxScale());
        block.set(CallField.KV_IS_PACKED, packsForMaps() ? 1 : 0);
        workspace.pointInto(block, base);
        return block;
    }

    /** The tensor maps of q, k and v for a window; the workspace begins at `base`. */
    List<TensorMap> maps(Window window, long base) {
        KernelManifest.Tma boxes = manifest.tma(call.headDim());
        CudaTensor k = call.k();
        CudaTensor v = call.v();
        long rows = call.seqlenK();
        long heads = call.numKvHeads();
        if (packsForMaps()) {
            rows = kBlocks * CudaCall.BLOCK_SIZE;
            heads = call.sharesOrder() ? window.headCount() / call.groupSize() : window.headCount();
            k = packed(CallField.PACKED_K, base, heads, rows);
            v = packed(CallField.PACKED_V, base, heads, rows);
        }
        return List.of(
                map(call.q(), call.seqlenQ(), call.numQHeads(), boxes, boxes.qRows()),
                map(k, rows, heads, boxes, boxes.kvRows()),
                map(v, rows, heads, boxes, boxes.kvRows()));
    }

    private CudaTensor packed(CallField field, long base, long heads, long rows) {
        return CudaTensor.contiguous(workspace.address(field, base), heads, rows, call.headDim());
    }

    private TensorMap map(
            CudaTensor tensor, long rows, long heads, KernelManifest.Tma boxes, int boxRows) {
        return TensorMap.of(
                call.type(),
                tensor,
                call.headDim(),
                rows,
                heads,
                call.batch(),
                boxes.boxColumns(),
                boxRows,
                boxes.swizzleCode());
    }

    /** Whether no dimension of more than one index has stride 0, which a tensor map cannot say. */
    private boolean areMappable() {
        return TensorMap.fits(call.q(), call.seqlenQ(), call.numQHeads(), call.batch())
                && TensorMap.fits(call.k(), call.seqlenK(), call.numKvHeads(), call.batch())
                && TensorMap.fits(call.v(), call.seqlenK(), call.numKvHeads(), call.batch());
    }

    private WorkspaceLayout layout(int groups) {
        return new WorkspaceLayout(call, groups * call.groupSize(), packsForMaps());
    }

    /** A kernel whose shared memory the manifest states. */
    private Launch launch(String name, Dim3 grid, Stage stage) {
        KernelManifest.Kernel kernel = manifest.kernel(name);
        if (kernel.shared() < 0) {
            throw new IllegalStateException("no rule for the shared memory of " + name);
        }
        return launch(name, grid, kernel.shared(), stage);
    }

    /** A kernel whose shared memory follows from the call. */
    private Launch launch(String name, Dim3 grid, long sharedBytes, Stage stage) {
        KernelManifest.Kernel kernel = manifest.kernel(name);
        return new Launch(
                name,
                grid,
                kernel.threads(),
                Math.toIntExact(sharedBytes),
                stage,
                kernel.maps() > 0);
    }

    private static Dim3 dim3(long x, long y, long z) {
        return new Dim3(Math.toIntExact(x), Math.toIntExact(y), Math.toIntExact(z));
    }

    private static long ceilDiv(long a, long b) {
        return (a + b - 1) / b;
    }

    /** The smallest power of two that is at least n. */
    static long pow2(long n) {
        return n <= 1 ? 1 : Long.highestOneBit(n - 1) << 1;
    }
}

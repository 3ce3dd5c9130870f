package io.pbsattn.backend.cuda;

import io.pbsattn.util.WarnOnce;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is launched for a call, and with which workspace: the rules of
 * native-kernels/include/pbs_cuda.h as a pure function of the call and the GPU.
 *
 * <p>A call runs in ranges of query heads, one after the other in the same workspace, so that the
 * workspace stays near its budget however many heads and tokens there are.
 */
final class LaunchPlan {

    private static final Logger logger = LoggerFactory.getLogger(LaunchPlan.class);

    /** Query heads from a first one on. */
    record HeadRange(int begin, int count) {}

    private final CudaCall call;
    private final Gpu gpu;
    private final KernelManifest manifest;
    private final KernelManifest.Constants constants;
    private final String attendKernel;
    private final WorkspaceLayout workspace;
    private final List<HeadRange> headRanges = new ArrayList<>();
    private final long qBlocks;
    private final long kBlocks;

    /**
     * Plans a call.
     *
     * @param call the call
     * @param gpu where it runs
     * @param budget bytes that the workspace keeps to if it can; it never gets smaller than what
     *     the query heads of one KV head need
     * @throws ArithmeticException if a size exceeds what a launch can say
     */
    LaunchPlan(CudaCall call, Gpu gpu, long budget) {
        this.call = call;
        this.gpu = gpu;
        manifest = call.manifest();
        constants = manifest.constants();
        qBlocks = ceilDiv(call.seqlenQ(), constants.blockSize());
        kBlocks = ceilDiv(call.seqlenK(), constants.blockSize());
        String suffix = call.type().suffix() + "_d" + call.headDim();
        String wgmma = "pbs_attend_wgmma_" + suffix;
        boolean hasWgmma = gpu.isHopper() && manifest.hasKernel(wgmma, gpu);
        if (hasWgmma && !areMappable()) {
            WarnOnce.warn(
                    logger,
                    "Attention on "
                            + gpu
                            + " runs without wgmma, which is slower: q, k or v is broadcast, and"
                            + " tensor maps know no stride 0. Make it contiguous");
        }
        attendKernel = hasWgmma && areMappable() ? wgmma : "pbs_attend_" + suffix;
        int most = call.numKvHeads();
        while (most > 1 && layout(most).bytes() > budget) {
            --most;
        }
        int count = (int) ceilDiv(call.numKvHeads(), most);
        int groups = (int) ceilDiv(call.numKvHeads(), count); // ranges as equal as can be
        workspace = layout(groups);
        for (int begin = 0; begin < call.numKvHeads(); begin += groups) {
            int groupsHere = Math.min(groups, call.numKvHeads() - begin);
            headRanges.add(new HeadRange(begin * call.groupSize(), groupsHere * call.groupSize()));
        }
    }

    List<HeadRange> headRanges() {
        return headRanges;
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
        int rows = constants.maxSelectRows();
        while (rows > 1 && rows * kBlocks > constants.maxSelectCells()) {
            rows /= 2;
        }
        return rows;
    }

    /** The launches of a head range in their order. */
    List<Launch> launches(HeadRange range) {
        List<Launch> launches = new ArrayList<>();
        long heads = range.count();
        long batch = call.batch();
        long orders = call.sharesOrder() ? heads / call.groupSize() : heads;
        long splits = ceilDiv(call.seqlenK(), constants.keysPerSplit());
        long segments = ceilDiv(call.seqlenK(), call.config().segmentSize());
        String type = call.type().suffix();
        String suffix = type + "_d" + call.headDim();
        if (range.begin() == 0) {
            long rowTiles = ceilDiv(call.seqlenK(), constants.blockSize());
            long arrays = call.numQHeads() + 2L * call.numKvHeads();
            launches.add(
                    launch(
                            "pbs_check_finite",
                            grid(rowTiles, arrays, batch),
                            Launch.Stage.PERMUTE));
        }
        if (call.hasPaddedQueries()) {
            launches.add(
                    launch("pbs_clear_padding", grid(qBlocks, heads, batch), Launch.Stage.PERMUTE));
        }
        if (call.isSparse()) {
            Launch.Grid grid = grid(splits, heads, batch);
            launches.add(launch("pbs_score_sums_" + suffix, grid, Launch.Stage.PERMUTE));
            launches.add(launch("pbs_score_keys_" + suffix, grid, Launch.Stage.PERMUTE));
        }
        launches.add(
                launch(
                        "pbs_sort_segments",
                        grid(segments, orders, batch),
                        8 * pow2(call.config().segmentSize()),
                        Launch.Stage.PERMUTE));
        if (call.isSparse() || packsForMaps()) {
            launches.add(
                    launch("pbs_pack_" + type, grid(kBlocks, orders, batch), Launch.Stage.PERMUTE));
        }
        if (call.isSparse()) {
            launches.add(
                    launch(
                            "pbs_pool_queries_" + type,
                            grid(qBlocks, heads, batch),
                            Launch.Stage.SELECT));
        }
        launches.add(
                launch(
                        "pbs_select",
                        grid(ceilDiv(qBlocks, selectRows()), heads, batch),
                        selectSharedBytes(selectRows(), kBlocks),
                        Launch.Stage.SELECT));
        launches.add(
                launch(
                        "pbs_schedule",
                        grid(heads, batch, 1),
                        4 * pow2(qBlocks),
                        Launch.Stage.SELECT));
        long tiles = Math.multiplyExact(Math.multiplyExact(qBlocks, heads), batch);
        long blocks = usesMaps() ? Math.min(gpu.multiprocessors(), tiles) : tiles;
        launches.add(launch(attendKernel, grid(blocks, 1, 1), Launch.Stage.ATTEND));
        return launches;
    }

    /** Fills in the parameters of a head range; the workspace begins at `base`. */
    CallBlock block(HeadRange heads, long base) {
        CallBlock block = new CallBlock(manifest);
        block.set("q", call.q());
        block.set("k", call.k());
        block.set("v", call.v());
        block.set("o", call.o());
        block.set("lse", call.lse());
        block.set("batch", call.batch());
        block.set("num_q_heads", call.numQHeads());
        block.set("num_kv_heads", call.numKvHeads());
        block.set("head_dim", call.headDim());
        block.set("max_seqlen_q", call.seqlenQ());
        block.set("max_seqlen_k", call.seqlenK());
        block.set("head_begin", heads.begin());
        block.set("head_count", heads.count());
        block.set("segment_size", call.config().segmentSize());
        block.set("min_length", call.minLength());
        block.set("force_first_block", call.config().forceFirstBlock() ? 1 : 0);
        block.set(
                "key_order", call.sharesOrder() ? constants.perKvHead() : constants.perQueryHead());
        block.set("select_rows", selectRows());
        block.set("finite_mask", call.type().exponentBits());
        block.set("threshold", call.config().threshold());
        block.set("softmax_scale", call.softmaxScale());
        block.set("kv_is_packed", packsForMaps() ? 1 : 0);
        workspace.pointInto(block, base);
        return block;
    }

    /** The tensor maps of q, k and v for a head range; the workspace begins at `base`. */
    List<TensorMap> maps(HeadRange range, long base) {
        KernelManifest.Tma boxes = manifest.tma(call.headDim());
        CudaTensor k = call.k();
        CudaTensor v = call.v();
        long rows = call.seqlenK();
        long heads = call.numKvHeads();
        if (packsForMaps()) {
            rows = kBlocks * constants.blockSize();
            heads = call.sharesOrder() ? range.count() / call.groupSize() : range.count();
            k = packed(WorkspaceLayout.Array.PACKED_K, base, heads, rows);
            v = packed(WorkspaceLayout.Array.PACKED_V, base, heads, rows);
        }
        return List.of(
                map(call.q(), call.seqlenQ(), call.numQHeads(), boxes, boxes.qRows()),
                map(k, rows, heads, boxes, boxes.kvRows()),
                map(v, rows, heads, boxes, boxes.kvRows()));
    }

    private CudaTensor packed(WorkspaceLayout.Array array, long base, long heads, long rows) {
        return CudaTensor.contiguous(workspace.address(array, base), heads, rows, call.headDim());
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
    private Launch launch(String name, Launch.Grid grid, Launch.Stage stage) {
        KernelManifest.Kernel kernel = manifest.kernel(name);
        if (kernel.shared() < 0) {
            throw new IllegalStateException("no rule for the shared memory of " + name);
        }
        return launch(name, grid, kernel.shared(), stage);
    }

    /** A kernel whose shared memory follows from the call. */
    private Launch launch(String name, Launch.Grid grid, long sharedBytes, Launch.Stage stage) {
        KernelManifest.Kernel kernel = manifest.kernel(name);
        return new Launch(
                name,
                grid,
                kernel.threads(),
                Math.toIntExact(sharedBytes),
                stage,
                kernel.maps() > 0);
    }

    private static Launch.Grid grid(long x, long y, long z) {
        return new Launch.Grid(Math.toIntExact(x), Math.toIntExact(y), Math.toIntExact(z));
    }

    /** The most that a kernel needs whose shared memory follows from the call: pbs_select's. */
    static int maxRuleSharedBytes(KernelManifest manifest) {
        KernelManifest.Constants constants = manifest.constants();
        long kBlocks = constants.maxSeqlenK() / constants.blockSize();
        return Math.toIntExact(selectSharedBytes(1, kBlocks));
    }

    private static long selectSharedBytes(int selectRows, long kBlocks) {
        return 4L * selectRows * kBlocks + 8 * pow2(kBlocks);
    }

    private static long ceilDiv(long a, long b) {
        return (a + b - 1) / b;
    }

    /** The smallest power of two that is at least n. */
    static long pow2(long n) {
        return n <= 1 ? 1 : Long.highestOneBit(n - 1) << 1;
    }
}

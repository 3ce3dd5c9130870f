package io.pbsattn.backend.cuda;

import io.pbsattn.AttentionTrace;
import io.pbsattn.BlockGrid;
import io.pbsattn.KeyOrder;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Grids, shared memory, head ranges and workspaces, by hand and at the largest sizes. */
public class LaunchPlanTest {

    private static final long BUDGET = 1L << 30;

    @Test
    public void launchesOfAnOddLength() {
        // 7 query blocks, 10 key blocks, 2 splits of the keys, 5 segments.
        CudaCall call = Fixtures.call(6, 2, 96, 777, 1153);
        LaunchPlan plan = plan(call, Fixtures.A100);
        LaunchPlan.HeadRange heads = plan.headRanges().get(0);
        Assert.assertEquals(plan.headRanges(), List.of(new LaunchPlan.HeadRange(0, 6)));
        Assert.assertEquals(
                plan.launches(heads).stream()
                        .map(
                                l ->
                                        String.format(
                                                "%s %d,%d,%d x %d, %d, %s",
                                                l.kernel(),
                                                l.grid().x(),
                                                l.grid().y(),
                                                l.grid().z(),
                                                l.threads(),
                                                l.sharedBytes(),
                                                l.stage()))
                        .toList(),
                List.of(
                        "pbs_check_finite 10,10,1 x 256, 0, PERMUTE",
                        "pbs_score_sums_bf16_d96 2,6,1 x 256, 65536, PERMUTE",
                        "pbs_score_keys_bf16_d96 2,6,1 x 256, 65536, PERMUTE",
                        "pbs_sort_segments 5,6,1 x 256, 2048, PERMUTE",
                        "pbs_pack_bf16 10,6,1 x 256, 0, PERMUTE",
                        "pbs_pool_queries_bf16 7,6,1 x 256, 0, SELECT",
                        // 4 rows of 10 floats, and 16 pairs to sort
                        "pbs_select 2,6,1 x 256, 288, SELECT",
                        "pbs_schedule 6,1,1 x 256, 32, SELECT",
                        "pbs_attend_bf16_d96 42,1,1 x 128, 98304, ATTEND"));
        Assert.assertFalse(plan.usesMaps());
        Assert.assertEquals(
                plan.workspace().bytes(WorkspaceLayout.Array.PACKED_K),
                0,
                "keys are gathered, not packed");
        Assert.assertEquals(plan.workspace().bytes(WorkspaceLayout.Array.ORDER), 6 * 1280 * 4);
    }

    @Test
    public void hopperPersistsAndPacks() {
        LaunchPlan plan = plan(Fixtures.call(32, 8, 128, 8192, 8192), Fixtures.H100);
        Launch attend = last(plan);
        Assert.assertEquals(attend.kernel(), "pbs_attend_wgmma_bf16_d128");
        Assert.assertEquals(attend.grid(), new Launch.Grid(132, 1, 1));
        Assert.assertTrue(attend.takesMaps() && plan.packsForMaps());
        Assert.assertEquals(
                plan.workspace().bytes(WorkspaceLayout.Array.PACKED_K), 32L * 8192 * 128 * 2);
        LaunchPlan few = plan(Fixtures.call(2, 1, 128, 200, 200), Fixtures.H100);
        Assert.assertEquals(
                last(few).grid(), new Launch.Grid(4, 1, 1), "no more than there are tiles");
    }

    /** Machine code for sm_90a runs on no other architecture. */
    @Test
    public void newerGpusTakeThePortableKernels() {
        for (Gpu gpu : List.of(Fixtures.gpu(8, 9), Fixtures.gpu(10, 0), Fixtures.gpu(12, 0))) {
            Assert.assertEquals(
                    last(plan(Fixtures.call(2, 1, 64, 999, 999), gpu)).kernel(),
                    "pbs_attend_bf16_d64");
        }
    }

    /** With every block kept no key moves, and k and v themselves are read. */
    @Test
    public void denseCallsReorderNothing() {
        CudaCall call =
                Fixtures.call(
                        8,
                        2,
                        128,
                        SequenceLengths.uniform(1, 3000, 3000),
                        3000,
                        3000,
                        PbsConfig.DENSE,
                        null);
        LaunchPlan plan = plan(call, Fixtures.H100);
        Assert.assertEquals(
                names(plan),
                List.of(
                        "pbs_check_finite",
                        "pbs_sort_segments",
                        "pbs_select",
                        "pbs_schedule",
                        "pbs_attend_wgmma_bf16_d128"));
        Assert.assertFalse(plan.packsForMaps());
        Assert.assertEquals(plan.workspace().bytes(WorkspaceLayout.Array.PACKED_K), 0);
        TensorMap k = plan.maps(plan.headRanges().get(0), 1 << 30).get(1);
        Assert.assertEquals(k.address(), call.k().address());
        Assert.assertEquals(k.dimensions(), List.of(128L, 3000L, 2L, 1L));
    }

    /** What lies past a sequence's keys must not meet the tensor cores. */
    @Test
    public void paddedKeysArePackedThoughDense() {
        CudaCall call =
                Fixtures.call(
                        8,
                        2,
                        128,
                        new SequenceLengths(new int[] {200, 100}, new int[] {200, 150}),
                        200,
                        200,
                        PbsConfig.DEFAULT,
                        null);
        LaunchPlan plan = plan(call, Fixtures.H100);
        Assert.assertTrue(names(plan).contains("pbs_pack_bf16"));
        Assert.assertTrue(names(plan).contains("pbs_clear_padding"));
        Assert.assertTrue(plan.packsForMaps());
        // One order for the heads of a group, since no key moves.
        Assert.assertEquals(
                plan.workspace().bytes(WorkspaceLayout.Array.PACKED_K), 2 * 2 * 256 * 128 * 2);
        Assert.assertEquals(plan.workspace().bytes(WorkspaceLayout.Array.SEQLENS_Q), 8);
    }

    @Test
    public void broadcastKeysTakeThePortableKernel() {
        CudaCall call = Fixtures.call(8, 2, 128, 999, 999);
        CudaCall broadcast =
                new CudaCall(
                        call.manifest(),
                        call.type(),
                        call.q(),
                        new CudaTensor(1 << 20, 0, 0, 128),
                        call.v(),
                        call.o(),
                        0,
                        8,
                        2,
                        128,
                        999,
                        999,
                        call.lengths(),
                        call.config(),
                        null);
        Assert.assertFalse(plan(broadcast, Fixtures.H100).usesMaps());
        Assert.assertTrue(plan(call, Fixtures.H100).usesMaps());
    }

    @DataProvider
    public Object[][] ranges() {
        return new Object[][] {
            // qHeads, kvHeads, seqlen, budget, head ranges
            {32, 8, 8192, BUDGET, 1},
            {32, 8, 131_072, BUDGET, 3},
            {32, 8, 131_072, 1L, 8},
            {28, 4, 5000, 1L, 4},
            {7, 1, 5000, 1L, 1},
            {40, 10, 131_072, BUDGET, 4}
        };
    }

    @Test(dataProvider = "ranges")
    public void rangesCoverAllHeadsOnce(
            int qHeads, int kvHeads, int seqlen, long budget, int count) {
        CudaCall call = Fixtures.call(qHeads, kvHeads, 128, seqlen, seqlen);
        LaunchPlan plan = new LaunchPlan(call, Fixtures.H100, budget);
        Assert.assertEquals(plan.headRanges().size(), count);
        int next = 0;
        for (LaunchPlan.HeadRange heads : plan.headRanges()) {
            Assert.assertEquals(heads.begin(), next);
            Assert.assertEquals(heads.count() % call.groupSize(), 0);
            next += heads.count();
            boolean checks =
                    plan.launches(heads).stream()
                            .anyMatch(l -> l.kernel().equals("pbs_check_finite"));
            Assert.assertEquals(checks, heads.begin() == 0, "input is checked once");
        }
        Assert.assertEquals(next, qHeads);
        Assert.assertTrue(count == kvHeads || plan.workspace().bytes() <= budget);
    }

    /** The longest sequence: sizes beyond 32 bits, and shared memory that every GPU has. */
    @Test
    public void millionTokens() {
        int seqlen = Fixtures.manifest().constants().maxSeqlenK();
        CudaCall call = Fixtures.call(64, 8, 256, seqlen, seqlen);
        LaunchPlan plan = plan(call, Fixtures.H100);
        Assert.assertEquals(plan.headRanges().size(), 8);
        WorkspaceLayout workspace = plan.workspace();
        Assert.assertEquals(workspace.bytes(WorkspaceLayout.Array.PACKED_K), 8L * seqlen * 256 * 2);
        Assert.assertEquals(workspace.bytes(WorkspaceLayout.Array.BLOCK_MASK), 8L * 8192 * 128 * 8);
        Assert.assertEquals(
                workspace.address(WorkspaceLayout.Array.PACKED_V, 0)
                        - workspace.address(WorkspaceLayout.Array.PACKED_K, 0),
                4L << 30);
        for (Launch launch : plan.launches(plan.headRanges().get(7))) {
            Assert.assertTrue(launch.grid().x() > 0 && launch.grid().y() <= 65535);
        }
        Launch select = launch(plan, "pbs_select");
        Assert.assertEquals(select.sharedBytes(), 98_304);
        Assert.assertEquals(LaunchPlan.maxRuleSharedBytes(Fixtures.manifest()), 98_304);
        Assert.assertEquals(plan.selectRows(), 1);
        TensorMap k = plan.maps(plan.headRanges().get(0), 0).get(1);
        Assert.assertEquals(k.strides(), List.of(512L, 512L << 20, 512L));
        Assert.assertTrue(call.causalBlocks() > Integer.MAX_VALUE);
    }

    @Test
    public void selectSharedMemoryStaysBelowEveryGpus() {
        for (int blocks : new int[] {1, 2, 1023, 1024, 1025, 2047, 2048, 2049, 8191, 8192}) {
            int seqlen = blocks * 128;
            LaunchPlan plan = plan(Fixtures.call(1, 1, 64, 128, seqlen), Fixtures.A100);
            int shared = launch(plan, "pbs_select").sharedBytes();
            Assert.assertTrue(
                    shared <= LaunchPlan.maxRuleSharedBytes(Fixtures.manifest()), "" + blocks);
            int rows = blocks <= 1024 ? 4 : blocks <= 2048 ? 2 : 1;
            Assert.assertEquals(plan.selectRows(), rows, "" + blocks);
        }
    }

    @Test
    public void arraysOfTheWorkspaceDoNotOverlap() {
        for (int[] shape : new int[][] {{6, 2, 1, 1}, {6, 2, 1, 333}, {5, 5, 129, 4097}}) {
            for (KeyOrder order : KeyOrder.values()) {
                CudaCall call =
                        Fixtures.call(
                                shape[0],
                                shape[1],
                                64,
                                new SequenceLengths(
                                        new int[] {shape[2], 1}, new int[] {shape[3], 1}),
                                shape[2],
                                shape[3],
                                PbsConfig.builder().optMinLength(0).optKeyOrder(order).build(),
                                new AttentionTrace());
                WorkspaceLayout workspace = plan(call, Fixtures.H100).workspace();
                long end = 0;
                List<WorkspaceLayout.Array> fields = new ArrayList<>();
                for (WorkspaceLayout.Array field : WorkspaceLayout.Array.values()) {
                    if (workspace.bytes(field) > 0) {
                        fields.add(field);
                    }
                }
                fields.sort((a, b) -> Long.compare(address(workspace, a), address(workspace, b)));
                for (WorkspaceLayout.Array field : fields) {
                    Assert.assertTrue(address(workspace, field) >= end, field + " overlaps");
                    Assert.assertEquals(address(workspace, field) % 256, 0);
                    end = address(workspace, field) + workspace.bytes(field);
                }
                Assert.assertTrue(end <= workspace.bytes());
            }
        }
    }

    private static long address(WorkspaceLayout workspace, WorkspaceLayout.Array field) {
        return workspace.address(field, 0);
    }

    /** Over sequences and heads, against the grid's own definition block by block. */
    @Test
    public void causalBlocksAreThoseOfTheGrid() {
        for (int[] lengths :
                new int[][] {
                    {1, 1}, {256, 256}, {257, 257}, {100, 1000}, {130, 511}, {700, 3001}
                }) {
            for (int segment : new int[] {128, 256, 512}) {
                PbsConfig config =
                        PbsConfig.builder().optSegmentSize(segment).optMinLength(0).build();
                CudaCall call =
                        Fixtures.call(
                                6,
                                2,
                                64,
                                new SequenceLengths(
                                        new int[] {lengths[0], 1}, new int[] {lengths[1], 300}),
                                lengths[0],
                                Math.max(300, lengths[1]),
                                config,
                                null);
                long expected = 0;
                for (int b = 0; b < 2; ++b) {
                    BlockGrid grid = call.grid(b);
                    for (int i = 0; i < grid.qBlocks(); ++i) {
                        for (int j = 0; j < grid.kBlocks(); ++j) {
                            expected += grid.isCandidate(i, j) || grid.isForced(i, j) ? 6 : 0;
                        }
                    }
                }
                Assert.assertEquals(call.causalBlocks(), expected);
            }
        }
    }

    @Test
    public void badCallsAreNamed() {
        refused("seqlenQ", () -> Fixtures.call(2, 1, 64, 9, 8));
        refused("numQHeads", () -> Fixtures.call(3, 2, 64, 8, 8));
        refused("headDim of [64, 96, 128, 256], found 80", () -> Fixtures.call(2, 1, 80, 8, 8));
        refused("1048576 keys, found 1048577", () -> Fixtures.call(2, 1, 64, 8, 1048577));
        refused("65535 sequences and heads", () -> Fixtures.call(65534, 1, 64, 8, 8));
        CudaCall call = Fixtures.call(2, 1, 64, 8, 8);
        for (CudaTensor bad :
                List.of(new CudaTensor(8, 0, 64, 64), new CudaTensor(16, 0, 64, 68))) {
            refused(
                    "k: expected an address and strides that are multiples of 16 bytes",
                    () ->
                            new CudaCall(
                                    call.manifest(),
                                    call.type(),
                                    call.q(),
                                    bad,
                                    call.v(),
                                    call.o(),
                                    0,
                                    2,
                                    1,
                                    64,
                                    8,
                                    8,
                                    call.lengths(),
                                    call.config(),
                                    null));
        }
    }

    private static void refused(String words, Assert.ThrowingRunnable runnable) {
        IllegalArgumentException e = Assert.expectThrows(IllegalArgumentException.class, runnable);
        Assert.assertTrue(e.getMessage().contains(words), e.getMessage());
    }

    private static LaunchPlan plan(CudaCall call, Gpu gpu) {
        return new LaunchPlan(call, gpu, BUDGET);
    }

    private static List<String> names(LaunchPlan plan) {
        return plan.launches(plan.headRanges().get(0)).stream()
                .map(Launch::kernel)
                .collect(Collectors.toList());
    }

    private static Launch last(LaunchPlan plan) {
        List<Launch> launches = plan.launches(plan.headRanges().get(0));
        return launches.get(launches.size() - 1);
    }

    private static Launch launch(LaunchPlan plan, String name) {
        return plan.launches(plan.headRanges().get(0)).stream()
                .filter(l -> l.kernel().equals(name))
                .findFirst()
                .orElseThrow();
    }
}

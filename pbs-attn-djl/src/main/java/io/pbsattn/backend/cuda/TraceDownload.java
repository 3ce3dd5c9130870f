package io.pbsattn.backend.cuda;

import io.pbsattn.AttentionTrace;
import io.pbsattn.BlockGrid;
import io.pbsattn.backend.cuda.WorkspaceLayout.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Copies a call's intermediates from the workspace into its trace; without a trace nothing. */
final class TraceDownload {

    private static final int BITS_PER_WORD = 64;

    private final CudaCall call;
    private final WorkspaceLayout workspace;
    private final List<Part> parts = new ArrayList<>();

    /** What a head range left. */
    private record Part(
            LaunchPlan.HeadRange heads,
            ByteBuffer order,
            ByteBuffer keyScores,
            ByteBuffer blockMask,
            ByteBuffer blockScores) {}

    private TraceDownload(CudaCall call, WorkspaceLayout workspace) {
        this.call = call;
        this.workspace = workspace;
    }

    static TraceDownload of(CudaCall call, WorkspaceLayout workspace) {
        if (call.trace() != null) {
            // The trace has the extent of the padded batch.
            call.trace()
                    .allocate(
                            call.batch(),
                            call.numQHeads(),
                            call.grid(call.seqlenQ(), call.seqlenK()));
        }
        return new TraceDownload(call, workspace);
    }

    /** Copies what a head range left, before the next one overwrites it. */
    void download(LaunchPlan.HeadRange heads, long base, DeviceScope scope) {
        if (call.trace() != null) {
            parts.add(
                    new Part(
                            heads,
                            array(Array.ORDER, base, scope),
                            array(Array.KEY_SCORES, base, scope),
                            array(Array.BLOCK_MASK, base, scope),
                            array(Array.BLOCK_SCORES, base, scope)));
        }
    }

    private ByteBuffer array(Array array, long base, DeviceScope scope) {
        ByteBuffer buffer =
                ByteBuffer.allocateDirect(Math.toIntExact(workspace.bytes(array)))
                        .order(ByteOrder.nativeOrder());
        scope.download(buffer, workspace.address(array, base), array.field());
        return buffer;
    }

    /** Fills the trace; the stream has to have passed all copies. */
    void fill() {
        for (Part part : parts) {
            for (int b = 0; b < call.batch(); ++b) {
                for (int h = 0; h < part.heads.count(); ++h) {
                    fillPermutation(part, b, h);
                    fillBlocks(part, b, h);
                }
            }
        }
    }

    private void fillPermutation(Part part, int b, int h) {
        int heads = part.heads.count();
        int group = call.groupSize();
        int orders = call.sharesOrder() ? heads / group : heads;
        int blockSize = call.config().blockSize();
        int keys = ceilDiv(call.seqlenK(), blockSize) * blockSize;
        long orderRow = (long) b * orders + (call.sharesOrder() ? h / group : h);
        int[] order = new int[call.lengths().k(b)];
        for (int slot = 0; slot < order.length; ++slot) {
            order[slot] = part.order.getInt(at(Integer.BYTES, orderRow, keys, slot));
        }
        float[] scores = new float[call.lengths().k(b)];
        if (!call.grid(b).isDense()) {
            // Heads that share an order go by the mean of their scores.
            int first = call.sharesOrder() ? h / group * group : h;
            int count = call.sharesOrder() ? group : 1;
            int complete = call.grid(b).completeKeys();
            for (int key = 0; key < complete; ++key) {
                double sum = 0;
                for (int g = 0; g < count; ++g) {
                    long row = (long) b * heads + first + g;
                    sum += score(part.keyScores.getFloat(at(Float.BYTES, row, keys, key)));
                }
                scores[key] = (float) (sum / count);
            }
        }
        call.trace().setPermutation(b, part.heads.begin() + h, order, scores);
    }

    /** Scores below 1e-30 are stored by their logarithm, which is negative. */
    private static double score(float stored) {
        return stored > 0 ? stored : Math.exp(stored);
    }

    private void fillBlocks(Part part, int b, int h) {
        AttentionTrace trace = call.trace();
        BlockGrid grid = call.grid(b);
        int qBlocks = trace.qBlocks();
        int kBlocks = trace.kBlocks();
        int words = ceilDiv(kBlocks, BITS_PER_WORD);
        for (int i = 0; i < grid.qBlocks(); ++i) {
            long row = ((long) b * part.heads.count() + h) * qBlocks + i;
            for (int j = 0; j < grid.kBlocks(); ++j) {
                long word = part.blockMask.getLong(at(Long.BYTES, row, words, j / BITS_PER_WORD));
                boolean kept = (word >>> (j % BITS_PER_WORD) & 1) != 0;
                float score = part.blockScores.getFloat(at(Float.BYTES, row, kBlocks, j));
                trace.setBlock(b, part.heads.begin() + h, i, j, score, kept);
            }
        }
    }

    private static int at(int bytes, long row, int columns, int column) {
        return Math.toIntExact(bytes * (row * columns + column));
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }
}

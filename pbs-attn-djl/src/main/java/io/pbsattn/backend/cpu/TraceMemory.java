package io.pbsattn.backend.cpu;

import com.sun.jna.Memory;
import io.pbsattn.AttentionTrace;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.kernels.AttentionCall;

/** Native memory that the kernels write the intermediates to; without a trace it holds nothing. */
final class TraceMemory implements AutoCloseable {

    private final long tokens;
    private final long blocks;
    private final Memory indices;
    private final Memory keyScores;
    private final Memory blockScores;
    private final Memory blockMask;

    private TraceMemory(long tokens, long blocks) {
        this.tokens = tokens;
        this.blocks = blocks;
        indices = allocate(4 * tokens);
        keyScores = allocate(4 * tokens);
        blockScores = allocate(4 * blocks);
        blockMask = allocate(blocks);
    }

    static TraceMemory of(AttentionRequest request) {
        AttentionTrace trace = request.trace();
        if (trace == null) {
            return new TraceMemory(0, 0);
        }
        trace.allocate(request);
        long rows = (long) request.batch() * request.numQHeads();
        return new TraceMemory(rows * request.seqlenK(), rows * trace.qBlocks() * trace.kBlocks());
    }

    void pointInto(AttentionCall.Trace trace) {
        trace.indices = indices;
        trace.keyScores = keyScores;
        trace.blockScores = blockScores;
        trace.blockMask = blockMask;
    }

    void copyTo(AttentionTrace trace) {
        if (trace != null) {
            trace.setAll(
                    indices.getIntArray(0, (int) tokens),
                    keyScores.getFloatArray(0, (int) tokens),
                    blockScores.getFloatArray(0, (int) blocks),
                    blockMask.getByteArray(0, (int) blocks));
        }
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        for (Memory memory : new Memory[] {indices, keyScores, blockScores, blockMask}) {
            if (memory != null) {
                memory.close();
            }
        }
    }

    private static Memory allocate(long bytes) {
        if (bytes == 0) {
            return null;
        }
        Memory memory = new Memory(bytes);
        memory.clear();
        return memory;
    }
}

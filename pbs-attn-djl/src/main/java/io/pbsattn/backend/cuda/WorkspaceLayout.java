package io.pbsattn.backend.cuda;

import java.util.EnumMap;
import java.util.Map;

/** Where the arrays of a call lie in its workspace. */
final class WorkspaceLayout {

    /** Bytes that every array begins at a multiple of. */
    static final long ALIGNMENT = 256;

    private static final int KEYS_PER_SPLIT = 1024;
    private static final int BITS_PER_WORD = 64;
    private static final long COUNTERS_BYTES = 4 * Long.BYTES;

    private final Map<CallField, Long> offsets = new EnumMap<>(CallField.class);
    private final Map<CallField, Long> sizes = new EnumMap<>(CallField.class);
    private long bytes;

    /**
     * Lays out the arrays.
     *
     * @param call the call
     * @param heads query heads of a window
     * @param packs whether keys and values are copied in their new order
     * @throws ArithmeticException if the sizes exceed 64 bits
     */
    WorkspaceLayout(CudaCall call, int heads, boolean packs) {
        long qBlocks = ceilDiv(call.seqlenQ(), CudaCall.BLOCK_SIZE);
        long kBlocks = ceilDiv(call.seqlenK(), CudaCall.BLOCK_SIZE);
        long keys = kBlocks * CudaCall.BLOCK_SIZE;
        long splits = ceilDiv(call.seqlenK(), KEYS_PER_SPLIT);
        long batch = call.batch();
        long orders = call.sharesOrder() ? heads / call.groupSize() : heads;
        add(CallField.COUNTERS, COUNTERS_BYTES);
        add(CallField.SEQLENS_Q, call.hasPaddedQueries() ? Integer.BYTES * batch : 0);
        add(CallField.SEQLENS_K, call.hasPaddedKeys() ? Integer.BYTES * batch : 0);
        add(CallField.KEY_SCORES, product(Float.BYTES, batch, heads, keys));
        add(CallField.PARTIAL_MAX, product(Float.BYTES, batch, heads, splits, CudaCall.BLOCK_SIZE));
        add(CallField.PARTIAL_SUM, product(Float.BYTES, batch, heads, splits, CudaCall.BLOCK_SIZE));
        add(CallField.ORDER, product(Integer.BYTES, batch, orders, keys));
        add(CallField.FIRST_BLOCK, product(Integer.BYTES, batch, orders));
        add(CallField.MEAN_QUERIES, product(Float.BYTES, batch, heads, qBlocks, call.headDim()));
        add(CallField.MEAN_KEYS, product(Float.BYTES, batch, orders, kBlocks, call.headDim()));
        add(
                CallField.BLOCK_MASK,
                product(Long.BYTES, batch, heads, qBlocks, ceilDiv(kBlocks, BITS_PER_WORD)));
        add(CallField.KEPT_COUNTS, product(Integer.BYTES, batch, heads, qBlocks));
        add(CallField.ROWS, product(Integer.BYTES, batch, heads, qBlocks));
        add(
                CallField.BLOCK_SCORES,
                call.trace() == null ? 0 : product(Float.BYTES, batch, heads, qBlocks, kBlocks));
        long packed = packs ? product(ElementType.BYTES, batch, orders, keys, call.headDim()) : 0;
        add(CallField.PACKED_K, packed);
        add(CallField.PACKED_V, packed);
    }

    /** Bytes of the whole workspace. */
    long bytes() {
        return bytes;
    }

    /** Bytes of an array; 0 if the call has none. */
    long bytes(CallField field) {
        return sizes.getOrDefault(field, 0L);
    }

    /** The address of an array in a workspace that begins at `base`; 0 if the call has none. */
    long address(CallField field, long base) {
        Long offset = offsets.get(field);
        return offset == null ? 0 : base + offset;
    }

    /** Writes the addresses of all arrays. */
    void pointInto(CallBlock block, long base) {
        offsets.forEach((field, offset) -> block.set(field, base + offset));
    }

    private void add(CallField field, long size) {
        if (size > 0) {
            offsets.put(field, bytes);
            sizes.put(field, size);
            bytes = Math.addExact(bytes, roundUp(size));
        }
    }

    private static long roundUp(long size) {
        return Math.addExact(size, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static long ceilDiv(long a, long b) {
        return (a + b - 1) / b;
    }

    private static long product(long... factors) {
        long result = 1;
        for (long factor : factors) {
            result = Math.multiplyExact(result, factor);
        }
        return result;
    }
}

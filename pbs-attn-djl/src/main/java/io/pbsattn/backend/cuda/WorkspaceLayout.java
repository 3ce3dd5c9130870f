package io.pbsattn.backend.cuda;

import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/** Where the arrays of a call lie in its workspace. */
final class WorkspaceLayout {

    private static final int BITS_PER_WORD = 64;

    /** The arrays, as pbs_cuda_fields.inc names and describes them. */
    enum Array {
        COUNTERS,
        SEQLENS_Q,
        SEQLENS_K,
        KEY_SCORES,
        PARTIAL_MAX,
        PARTIAL_SUM,
        ORDER,
        FIRST_BLOCK,
        MEAN_QUERIES,
        MEAN_KEYS,
        BLOCK_MASK,
        KEPT_COUNTS,
        ROWS,
        BLOCK_SCORES,
        PACKED_K,
        PACKED_V;

        /** The name of the field that holds its address. */
        String field() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final Map<Array, Long> offsets = new EnumMap<>(Array.class);
    private final Map<Array, Long> sizes = new EnumMap<>(Array.class);
    private final long alignment;
    private long bytes;

    /**
     * Lays out the arrays.
     *
     * @param call the call
     * @param heads query heads of a range
     * @param packs whether keys and values are copied in their new order
     * @throws ArithmeticException if the sizes exceed 64 bits
     */
    WorkspaceLayout(CudaCall call, int heads, boolean packs) {
        KernelManifest.Constants constants = call.manifest().constants();
        alignment = constants.workspaceAlignment();
        long blockSize = constants.blockSize();
        long qBlocks = ceilDiv(call.seqlenQ(), blockSize);
        long kBlocks = ceilDiv(call.seqlenK(), blockSize);
        long keys = kBlocks * blockSize;
        long splits = ceilDiv(call.seqlenK(), constants.keysPerSplit());
        long batch = call.batch();
        long orders = call.sharesOrder() ? heads / call.groupSize() : heads;
        add(Array.COUNTERS, product(Long.BYTES, constants.counters()));
        add(Array.SEQLENS_Q, call.hasPaddedQueries() ? Integer.BYTES * batch : 0);
        add(Array.SEQLENS_K, call.hasPaddedKeys() ? Integer.BYTES * batch : 0);
        add(Array.KEY_SCORES, product(Float.BYTES, batch, heads, keys));
        add(Array.PARTIAL_MAX, product(Float.BYTES, batch, heads, splits, blockSize));
        add(Array.PARTIAL_SUM, product(Float.BYTES, batch, heads, splits, blockSize));
        add(Array.ORDER, product(Integer.BYTES, batch, orders, keys));
        add(Array.FIRST_BLOCK, product(Integer.BYTES, batch, orders));
        add(Array.MEAN_QUERIES, product(Float.BYTES, batch, heads, qBlocks, call.headDim()));
        add(Array.MEAN_KEYS, product(Float.BYTES, batch, orders, kBlocks, call.headDim()));
        add(
                Array.BLOCK_MASK,
                product(Long.BYTES, batch, heads, qBlocks, ceilDiv(kBlocks, BITS_PER_WORD)));
        add(Array.KEPT_COUNTS, product(Integer.BYTES, batch, heads, qBlocks));
        add(Array.ROWS, product(Integer.BYTES, batch, heads, qBlocks));
        add(
                Array.BLOCK_SCORES,
                call.trace() == null ? 0 : product(Float.BYTES, batch, heads, qBlocks, kBlocks));
        long packed = packs ? product(ElementType.BYTES, batch, orders, keys, call.headDim()) : 0;
        add(Array.PACKED_K, packed);
        add(Array.PACKED_V, packed);
    }

    /** Bytes of the whole workspace. */
    long bytes() {
        return bytes;
    }

    /** Bytes of an array; 0 if the call has none. */
    long bytes(Array array) {
        return sizes.getOrDefault(array, 0L);
    }

    /** The address of an array in a workspace that begins at `base`; 0 if the call has none. */
    long address(Array array, long base) {
        Long offset = offsets.get(array);
        return offset == null ? 0 : base + offset;
    }

    /** Writes the addresses of all arrays, 0 for those that the call has not. */
    void pointInto(CallBlock block, long base) {
        for (Array array : Array.values()) {
            block.set(array.field(), address(array, base));
        }
    }

    private void add(Array array, long size) {
        if (size > 0) {
            offsets.put(array, bytes);
            sizes.put(array, size);
            bytes = Math.addExact(bytes, roundUp(size));
        }
    }

    private long roundUp(long size) {
        return Math.addExact(size, alignment - 1) / alignment * alignment;
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

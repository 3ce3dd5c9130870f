package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

/**
 * What cuTensorMapEncodeTiled is told of an array of 16-bit elements in four dimensions, the
 * innermost first: headDim, rows, heads, batch.
 *
 * @param type element type
 * @param address device address of the first element, a multiple of 16
 * @param dimensions elements in each dimension
 * @param strides bytes from one index to the next in all dimensions but the first
 * @param boxColumns elements of a row that one copy takes
 * @param boxRows rows that one copy takes
 * @param swizzle how the copy strews bytes over shared memory: a CUtensorMapSwizzle
 */
record TensorMap(
        ElementType type,
        long address,
        List<Long> dimensions,
        List<Long> strides,
        int boxColumns,
        int boxRows,
        int swizzle) {

    /** Bytes of a CUtensorMap. */
    static final int BYTES = 128;

    /** Bytes that the address of a CUtensorMap is a multiple of. */
    static final int ALIGNMENT = 64;

    /** The largest stride that the driver takes, exclusive. */
    private static final long MAX_STRIDE = 1L << 40;

    /**
     * Describes a tensor; a dimension of one index gets the stride that follows from the others,
     * because the driver refuses what a view may have there.
     *
     * @throws IllegalArgumentException if the tensor's strides cannot be described
     */
    static TensorMap of(
            ElementType type,
            CudaTensor tensor,
            int headDim,
            long rows,
            long heads,
            long batch,
            int boxColumns,
            int boxRows,
            int swizzle) {
        if (!fits(tensor, rows, heads, batch)) {
            throw new IllegalArgumentException(
                    "expected strides of 1 to 2^40 - 1 bytes, found " + tensor);
        }
        long[] sizes = {headDim, rows, heads, batch};
        long[] elements = {tensor.rowStride(), tensor.headStride(), tensor.batchStride()};
        Long[] strides = new Long[elements.length];
        for (int i = 0; i < elements.length; ++i) {
            strides[i] = ElementType.BYTES * (sizes[i + 1] == 1 ? headDim : elements[i]);
        }
        return new TensorMap(
                type,
                tensor.address(),
                Arrays.stream(sizes).boxed().toList(),
                List.of(strides),
                boxColumns,
                boxRows,
                swizzle);
    }

    /** Whether the strides of all dimensions of more than one index can be described. */
    static boolean fits(CudaTensor tensor, long rows, long heads, long batch) {
        return fits(tensor.rowStride(), rows)
                && fits(tensor.headStride(), heads)
                && fits(tensor.batchStride(), batch);
    }

    private static boolean fits(long stride, long size) {
        return size == 1 || (stride > 0 && stride < MAX_STRIDE / ElementType.BYTES);
    }

    /** A direct buffer for a CUtensorMap, aligned as the driver wants it. */
    static ByteBuffer buffer() {
        return ByteBuffer.allocateDirect(BYTES + ALIGNMENT)
                .alignedSlice(ALIGNMENT)
                .slice(0, BYTES)
                .order(ByteOrder.nativeOrder());
    }
}

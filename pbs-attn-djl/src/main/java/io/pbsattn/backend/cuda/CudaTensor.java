package io.pbsattn.backend.cuda;

/**
 * A strided array (batch, heads, rows, headDim) in device memory, whose rows are contiguous.
 *
 * @param address of the first element, a multiple of 16
 * @param batchStride elements from one sequence to the next
 * @param headStride elements from one head to the next
 * @param rowStride elements from one row to the next
 */
record CudaTensor(long address, long batchStride, long headStride, long rowStride) {

    /** An array without gaps. */
    static CudaTensor contiguous(long address, long heads, long rows, long headDim) {
        return new CudaTensor(address, heads * rows * headDim, rows * headDim, headDim);
    }

    /** Whether address and strides are multiples of some bytes. */
    boolean isAligned(int alignment) {
        int elements = alignment / ElementType.BYTES;
        return address % alignment == 0
                && batchStride % elements == 0
                && headStride % elements == 0
                && rowStride % elements == 0;
    }
}

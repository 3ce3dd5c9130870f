package io.pbsattn.kernels;

import ai.djl.ndarray.NDArray;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;
import io.pbsattn.torch.LibTorch;

/**
 * struct pbs_attn_tensor: (batch, heads, rows, headDim) whose last dimension is contiguous. Strides
 * count elements.
 */
@FieldOrder({"data", "batchStride", "headStride", "rowStride"})
public class Heads extends Structure {

    /** Where the first element is. */
    public Pointer data;

    /** From one sequence to the next. */
    public long batchStride;

    /** From one head to the next. */
    public long headStride;

    /** From one row to the next. */
    public long rowStride;

    /** Describes one sequence (heads, rows, headDim) of the CPU. */
    static Heads ofSequence(NDArray array) {
        long[] strides = LibTorch.get().strides(array);
        Heads heads = new Heads();
        heads.data = LibTorch.get().hostPointer(array);
        heads.headStride = strides[0];
        heads.rowStride = strides[1];
        return heads;
    }

    /**
     * Describes an array.
     *
     * @param array (batch, heads, rows, headDim) on the CPU
     * @throws IllegalArgumentException if it is on another device
     */
    public final void set(NDArray array) {
        long[] strides = LibTorch.get().strides(array);
        data = LibTorch.get().hostPointer(array);
        batchStride = strides[0];
        headStride = strides[1];
        rowStride = strides[2];
    }
}

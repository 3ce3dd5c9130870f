package io.pbsattn.kernels;

import ai.djl.ndarray.NDArray;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;
import io.pbsattn.torch.LibTorch;

/** struct pbs_layer_matrix: rows of elements that lie side by side. */
@FieldOrder({"data", "rows", "cols", "rowStride", "dtype"})
public class Matrix extends Structure {

    /** Where the first element is. */
    public Pointer data;

    /** The number of rows. */
    public long rows;

    /** Elements of a row. */
    public long cols;

    /** Elements from one row to the next. */
    public long rowStride;

    /** The type's code, see {@link NativeKernels#dtypeCode}. */
    public int dtype;

    static Matrix of(NDArray array) {
        Matrix matrix = new Matrix();
        matrix.set(array);
        return matrix;
    }

    /** Describes an array (rows, cols) of the CPU. */
    final void set(NDArray array) {
        data = LibTorch.get().hostPointer(array);
        rows = array.getShape().get(0);
        cols = array.getShape().get(1);
        // A single row has no next one, and a view's stride of it may be anything.
        rowStride = rows == 1 ? cols : LibTorch.get().strides(array)[0];
        dtype = NativeKernels.dtypeCode(array);
    }
}

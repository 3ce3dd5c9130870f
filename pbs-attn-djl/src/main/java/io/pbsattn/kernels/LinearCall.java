package io.pbsattn.kernels;

import ai.djl.ndarray.NDArray;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;
import io.pbsattn.torch.LibTorch;

/** struct pbs_layer_linear_call: linear layers that read the same rows. */
@FieldOrder({
    "structSize",
    "combine",
    "numWeights",
    "numThreads",
    "x",
    "weights",
    "biases",
    "outputs"
})
public final class LinearCall extends Structure {

    /** PBS_LAYER_MAX_WEIGHTS: the most layers of a call. */
    public static final int MAX_WEIGHTS = 3;

    /** Bytes of the structure. */
    public int structSize;

    /** What becomes of the products: an enum pbs_layer_combine. */
    public int combine;

    /** The number of layers. */
    public int numWeights;

    /** 0 for one per core. */
    public int numThreads;

    /** (rows, in). */
    public Matrix x;

    /** (out, in) each. */
    public Matrix[] weights = new Matrix[MAX_WEIGHTS];

    /** (out) each, or null. */
    public Pointer[] biases = new Pointer[MAX_WEIGHTS];

    /** (rows, out) each. */
    public Matrix[] outputs = new Matrix[MAX_WEIGHTS];

    /** What becomes of the products: enum pbs_layer_combine. */
    public enum Combine {
        /** Each output is overwritten. */
        STORE(0),
        /** Each output, float32, is added to. */
        ADD(1),
        /** The only output is silu of the first product times the second. */
        GATE(2);

        private final int code;

        Combine(int code) {
            this.code = code;
        }
    }

    /**
     * Begins a call.
     *
     * @param combine what becomes of the products
     * @param x (rows, in) bfloat16 on the CPU
     */
    public LinearCall(Combine combine, NDArray x) {
        this.combine = combine.code;
        this.x = Matrix.of(x);
        for (int i = 0; i < MAX_WEIGHTS; ++i) {
            weights[i] = new Matrix();
            outputs[i] = new Matrix();
        }
        structSize = size();
    }

    /**
     * Adds a layer.
     *
     * @param weight (out, in) bfloat16 on the CPU
     * @param bias (out) bfloat16 on the CPU, or null
     * @return this call
     */
    public LinearCall add(NDArray weight, NDArray bias) {
        weights[numWeights].set(weight);
        biases[numWeights] = bias == null ? null : LibTorch.get().hostPointer(bias);
        ++numWeights;
        return this;
    }

    /**
     * Says where an output goes.
     *
     * @param index 0 for the only one, or that of its layer
     * @param y (rows, out) bfloat16 or float32 on the CPU
     * @return this call
     */
    public LinearCall output(int index, NDArray y) {
        outputs[index].set(y);
        return this;
    }
}

package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.PrefillReport;
import io.pbsattn.kernels.NativeKernels;
import io.pbsattn.torch.TorchType;
import java.util.List;

/**
 * What a decoder layer computes around attention, in one element type. The residual stream is
 * float32 in every type; matrices are (rows, width) and may be views whose rows lie side by side.
 */
public interface LayerOps {

    /**
     * Returns the type of activations and weights.
     *
     * @return float32 or bfloat16
     */
    TorchType type();

    /**
     * Makes room for rows as the operations read them fastest.
     *
     * @param manager will own the array
     * @param rows how many
     * @param width elements of each, which lie side by side
     * @return (rows, width) in {@link #type}, not set; the rows may lie apart
     */
    NDArray empty(NDManager manager, long rows, long width);

    /**
     * Root-mean-square normalisation of each row.
     *
     * @param x (rows, width) float32
     * @param weight (width) float32
     * @param eps added to the mean square before the root is taken
     * @param y (rows, width) in {@link #type}, overwritten by x / sqrt(mean(x^2) + eps) * weight
     */
    void normalize(NDArray x, NDArray weight, double eps, NDArray y);

    /**
     * Runs linear layers that read the same rows.
     *
     * @param x (rows, in)
     * @param layers the layers
     * @param outputs for each layer (rows, out), overwritten; float32 is possible in any type
     */
    void linear(NDArray x, List<Linear> layers, List<NDArray> outputs);

    /**
     * Adds what a linear layer gives to the residual stream.
     *
     * @param x (rows, in)
     * @param layer the layer
     * @param sum (rows, out) float32, added to
     */
    void addLinear(NDArray x, Linear layer, NDArray sum);

    /**
     * Runs the gated half of a feed-forward network (SwiGLU).
     *
     * @param x (rows, in)
     * @param gate goes through SiLU
     * @param up is multiplied by it
     * @param y (rows, out) in {@link #type}, overwritten by silu(gate(x)) * up(x)
     */
    void gated(NDArray x, Linear gate, Linear up, NDArray y);

    /**
     * Rotates rows by their positions; element i of a head is paired with element i + headDim / 2.
     *
     * @param x (heads, rows, headDim), any strides of heads and rows
     * @param cosines (rows, headDim / 2) float32, contiguous
     * @param sines (rows, headDim / 2) float32, contiguous
     * @param y shaped as x, overwritten; may be x itself
     */
    void rotate(NDArray x, NDArray cosines, NDArray sines, NDArray y);

    /**
     * Attention of one query row of each head to all keys, as decoding needs it.
     *
     * @param q (batch, numQHeads, 1, headDim)
     * @param k (batch, numKvHeads, keys, headDim)
     * @param v shaped as the keys
     * @param softmaxScale factor on the query-key products
     * @return shaped as q, attached to its manager
     */
    NDArray attendRow(NDArray q, NDArray k, NDArray v, double softmaxScale);

    /**
     * Returns the name of what {@link #attendRow} runs on, for reports.
     *
     * @return a backend's name or {@link PrefillReport#PYTORCH}
     */
    default String rowBackend() {
        return PrefillReport.PYTORCH;
    }

    /**
     * Creates the operations of a type.
     *
     * @param type float32 or bfloat16
     * @return the operations
     * @throws IllegalArgumentException if the type is neither
     * @throws IllegalStateException if they cannot run on this machine; says why
     */
    static LayerOps of(TorchType type) {
        return switch (type) {
            case FLOAT32 -> new FloatLayerOps();
            case BFLOAT16 -> {
                NativeKernels.refusal()
                        .ifPresent(
                                reason -> {
                                    throw new IllegalStateException(
                                            "dtype: bfloat16 is not to be had: " + reason);
                                });
                yield new Bfloat16LayerOps(NativeKernels.get());
            }
            default ->
                    throw new IllegalArgumentException(
                            "dtype: models compute in float32 or bfloat16, found " + type);
        };
    }

    /**
     * Chooses the type to compute in by a table of instruction set and stored type, so that
     * machines of one type give the same answers: bfloat16 for weights that are stored in it where
     * the CPU multiplies it (AMX, AVX-512-BF16) and the native library is there, else float32.
     *
     * @param stored the type of the weights in their files
     * @return float32 or bfloat16
     */
    static TorchType bestType(TorchType stored) {
        return TypeChoice.of(stored);
    }
}

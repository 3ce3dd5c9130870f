package io.pbsattn.torchscript;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.ArgumentKind;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;
import java.util.Optional;

/**
 * The arguments of one call of PyTorch's scaled dot product attention.
 *
 * @param q queries (batch, numQHeads, seqlenQ, headDim), or of another rank
 * @param k keys (batch, numKvHeads, seqlenK, headDim)
 * @param v values (batch, numKvHeads, seqlenK, any width)
 * @param mask boolean (true: attend) or added to the logits; broadcast to (batch, numQHeads,
 *     seqlenQ, seqlenK)
 * @param dropout probability that a weight is dropped
 * @param isCausal whether query i sees keys 0 to i only, without a mask
 * @param scale factor on the query-key products; default 1 / sqrt(headDim)
 * @param enableGqa whether several query heads may share a KV head
 */
record SdpaCall(
        NDArray q,
        NDArray k,
        NDArray v,
        Optional<NDArray> mask,
        double dropout,
        boolean isCausal,
        Optional<Double> scale,
        boolean enableGqa) {

    static final List<ArgumentKind> SIGNATURE =
            List.of(
                    ArgumentKind.TENSOR,
                    ArgumentKind.TENSOR,
                    ArgumentKind.TENSOR,
                    ArgumentKind.OPTIONAL_TENSOR,
                    ArgumentKind.NUMBER,
                    ArgumentKind.FLAG,
                    ArgumentKind.OPTIONAL_NUMBER,
                    ArgumentKind.FLAG);

    /** Whether a gradient may be asked for. */
    boolean recordsGradients() {
        return LibTorch.get().recordsGradients()
                && (q.hasGradient() || k.hasGradient() || v.hasGradient());
    }

    /** What stands in the place of the output after a failure. */
    NDArray unreadableOutput(NDManager scope) {
        long[] shape = q.getShape().getShape().clone();
        shape[shape.length - 1] = v.getShape().get(v.getShape().dimension() - 1);
        return LibTorch.get().unreadable(scope, new Shape(shape), TorchType.of(q));
    }

    /** Shapes instead of elements. */
    @Override
    public String toString() {
        return String.format(
                "q %s, k %s, v %s of %s, mask %s, dropout %s, isCausal %s, scale %s, enableGqa %s",
                q.getShape(),
                k.getShape(),
                v.getShape(),
                TorchType.of(q),
                mask.map(m -> m.getShape().toString()).orElse("none"),
                dropout,
                isCausal,
                scale.map(String::valueOf).orElse("default"),
                enableGqa);
    }

    /** Names the arguments, which are of the kinds of {@link #SIGNATURE}. */
    @SuppressWarnings("unchecked")
    static SdpaCall of(Object[] arguments) {
        return new SdpaCall(
                (NDArray) arguments[0],
                (NDArray) arguments[1],
                (NDArray) arguments[2],
                (Optional<NDArray>) arguments[3],
                (double) arguments[4],
                (boolean) arguments[5],
                (Optional<Double>) arguments[6],
                (boolean) arguments[7]);
    }
}

package io.pbsattn.torchscript;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.PrefillReport;
import io.pbsattn.SequenceLengths;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;
import java.util.Optional;

/** Runs calls that were found to be causal through Permuted Block-Sparse Attention. */
final class CausalAttention {

    private final PbsAttention operator;

    CausalAttention(PbsAttention operator) {
        // What a query sees, the call says.
        PbsConfig unbounded = operator.config().toBuilder().optWindow(0).build();
        this.operator = operator.kernelsOnly().withConfig(unbounded).withoutLse();
    }

    /** Why no kernel takes a call; a forced backend says so itself, when it is called. */
    Optional<String> refusal(SdpaCall call) {
        return operator.isForced()
                ? Optional.empty()
                : operator.refusal(call.q(), call.k(), call.v());
    }

    /**
     * Computes the queries of each span; rows of padding are 0.
     *
     * @param scope will own the output (batch, numQHeads, seqlenQ, headDim)
     */
    NDArray forward(
            NDManager scope, SdpaCall call, List<CausalSpan> spans, SdpaStatistics statistics) {
        int headDim = (int) call.q().getShape().get(3);
        double scale = call.scale().orElse(1 / Math.sqrt(headDim));
        PbsAttention scaled =
                operator.withConfig(operator.config().toBuilder().optSoftmaxScale(scale).build());
        boolean isPaddedRight =
                spans.stream().allMatch(s -> s.firstQuery() == 0 && s.firstKey() == 0);
        AttentionOutput output;
        if (isPaddedRight) {
            SequenceLengths lengths =
                    new SequenceLengths(
                            spans.stream().mapToInt(CausalSpan::queries).toArray(),
                            spans.stream().mapToInt(CausalSpan::keys).toArray());
            output = scaled.forward(call.q(), call.k(), call.v(), lengths);
            statistics.add(output.report());
            return output.o();
        }
        return oneByOne(scope, scaled, call, spans, statistics);
    }

    /** Sequences with padding before them begin at different rows, so each is a call. */
    private static NDArray oneByOne(
            NDManager scope,
            PbsAttention scaled,
            SdpaCall call,
            List<CausalSpan> spans,
            SdpaStatistics statistics) {
        Shape shape = call.q().getShape();
        TorchType type = TorchType.of(call.q());
        Shape rowsOfHeads = new Shape(shape.get(0), shape.get(2), shape.get(1), shape.get(3));
        NDArray storage = LibTorch.get().zeros(scope, rowsOfHeads, type);
        NDArray o = storage.swapAxes(1, 2);
        PrefillReport total = null;
        for (int b = 0; b < spans.size(); ++b) {
            CausalSpan span = spans.get(b);
            NDIndex queries = rows(b, span.firstQuery(), span.queries());
            NDIndex keys = rows(b, span.firstKey(), span.keys());
            try (NDManager sequence = scope.newSubManager();
                    AttentionOutput output =
                            scaled.forward(
                                    call.q().get(sequence, queries),
                                    call.k().get(sequence, keys),
                                    call.v().get(sequence, keys))) {
                LibTorch.get().copy(output.o(), o.get(sequence, queries));
                total = total == null ? output.report() : total.plus(output.report());
            }
        }
        statistics.add(total);
        return o;
    }

    private static NDIndex rows(int b, int first, int count) {
        return new NDIndex("{}:{}, :, {}:{}", b, b + 1, first, first + count);
    }
}

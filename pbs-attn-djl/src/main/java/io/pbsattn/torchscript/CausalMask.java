package io.pbsattn.torchscript;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.sun.jna.Pointer;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Recognises attention masks that say nothing but: causal, with padding before and after each
 * sequence.
 */
final class CausalMask {

    private final Pointer data;
    private final long[] strides;
    private final Shape shape;
    private final MaskRow row;

    private CausalMask(NDArray mask, TorchType type) {
        data = LibTorch.get().hostPointer(mask);
        strides = LibTorch.get().strides(mask);
        shape = mask.getShape();
        row = MaskRow.of(type, Math.toIntExact(shape.get(3)));
    }

    /**
     * Reads a mask.
     *
     * @param mask boolean or added to the logits; broadcast to (batch, heads, seqlenQ, seqlenK)
     * @return for each sequence what the mask allows; empty if the mask is of another kind
     */
    static Optional<List<CausalSpan>> read(
            NDArray mask, int batch, int heads, int seqlenQ, int seqlenK) {
        TorchType type = TorchType.of(mask);
        Shape found = mask.getShape();
        boolean fits =
                found.dimension() >= 2
                        && found.dimension() <= 4
                        && found.get(found.dimension() - 2) == seqlenQ
                        && found.get(found.dimension() - 1) == seqlenK;
        if (!fits || !MaskRow.canRead(type)) {
            return Optional.empty();
        }
        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            NDArray host = onHost(scope, mask, type);
            while (host.getShape().dimension() < 4) {
                host = host.expandDims(0);
                host.attach(scope);
            }
            CausalMask reader = new CausalMask(host, type);
            long masks = host.getShape().get(0);
            long maskHeads = host.getShape().get(1);
            if ((masks != 1 && masks != batch) || (maskHeads != 1 && maskHeads != heads)) {
                return Optional.empty();
            }
            List<CausalSpan> spans = new ArrayList<>();
            for (int b = 0; b < batch; ++b) {
                Optional<CausalSpan> span = b < masks ? reader.span(b) : Optional.of(spans.get(0));
                if (span.isEmpty()) {
                    return Optional.empty();
                }
                spans.add(span.get());
            }
            return Optional.of(spans);
        }
    }

    /** The mask itself, or a copy where it is on a GPU or its rows are not contiguous. */
    private static NDArray onHost(NDManager scope, NDArray mask, TorchType type) {
        long[] strides = LibTorch.get().strides(mask);
        boolean readable = !mask.getDevice().isGpu() && strides[strides.length - 1] == 1;
        if (readable) {
            NDArray view = mask.reshape(mask.getShape());
            view.attach(scope);
            return view;
        }
        return LibTorch.get().toType(scope, mask, type);
    }

    /** What all heads of a sequence agree on. */
    private Optional<CausalSpan> span(int b) {
        Optional<CausalSpan> first = Optional.empty();
        // Heads that share memory need not be read again.
        long heads = strides[1] == 0 ? 1 : shape.get(1);
        for (int h = 0; h < heads; ++h) {
            long offset = b * strides[0] + h * strides[1];
            Optional<CausalSpan> span = guess(offset).filter(guess -> holds(guess, offset));
            if (span.isEmpty() || (h > 0 && !span.equals(first))) {
                return Optional.empty();
            }
            first = span;
        }
        return first;
    }

    /** The only span that the first and the last row that allow a key leave possible. */
    private Optional<CausalSpan> guess(long offset) {
        int rows = rows();
        int firstQuery = 0;
        load(offset, firstQuery);
        while (row.firstAllowed() < 0 && firstQuery < rows - 1) {
            load(offset, ++firstQuery);
        }
        int firstKey = row.firstAllowed();
        int visible = row.lastAllowed() + 1;
        int lastRow = rows - 1;
        load(offset, lastRow);
        while (row.lastAllowed() < 0 && lastRow > firstQuery) {
            load(offset, --lastRow);
        }
        int end = row.lastAllowed() + 1;
        // Each row sees one key more than the one before, until the sequence ends. Where the first
        // row sees all keys already and others follow, nothing is causal.
        int queries = end - visible + 1;
        boolean possible =
                firstKey >= 0
                        && queries >= Math.min(2, lastRow - firstQuery + 1)
                        && queries <= lastRow - firstQuery + 1
                        && (firstQuery == 0 || visible == firstKey + 1);
        return possible
                ? Optional.of(new CausalSpan(firstQuery, queries, firstKey, end - firstKey))
                : Optional.empty();
    }

    private boolean holds(CausalSpan span, long offset) {
        int begin = span.firstKey();
        int end = begin + span.keys();
        for (int i = 0; i < rows(); ++i) {
            load(offset, i);
            int query = i - span.firstQuery();
            int visible = end - span.queries() + 1 + query;
            boolean holds;
            if (query < 0) {
                holds = row.allowsOnly(0, 0);
            } else if (query < span.queries()) {
                holds = row.allowsOnly(begin, visible);
            } else {
                // Padding after the sequence: what it sees does not matter, but it must look so.
                holds = row.allowsOnly(begin, end) || row.allowsOnly(0, 0);
            }
            if (!holds) {
                return false;
            }
        }
        return true;
    }

    private void load(long offset, int i) {
        row.load(data, offset + i * strides[2]);
    }

    private int rows() {
        return (int) shape.get(2);
    }
}

package io.pbsattn.backend.cuda;

import io.pbsattn.AttentionTrace;
import io.pbsattn.BlockGrid;
import io.pbsattn.KeyOrder;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import java.util.Optional;

/**
 * One attention call on device memory, as {@link CudaAttention} takes it: addresses, strides and
 * lengths, no arrays of an engine.
 *
 * @param manifest what the kernels take
 * @param type element type of q, k, v and o
 * @param q queries (batch, numQHeads, seqlenQ, headDim)
 * @param k keys (batch, numKvHeads, seqlenK, headDim)
 * @param v values, shaped as the keys
 * @param o output, shaped as the queries; no two elements overlap
 * @param lse device address of log-sum-exp, float32 (batch, numQHeads, seqlenQ) contiguous; 0 for
 *     none
 * @param numQHeads query heads, a multiple of numKvHeads
 * @param numKvHeads heads of k and v
 * @param headDim elements of a row
 * @param seqlenQ rows of q, padding included
 * @param seqlenK rows of k and v, padding included
 * @param lengths the valid rows of each sequence
 * @param config the settings
 * @param trace where to record the intermediates, or null
 */
record CudaCall(
        KernelManifest manifest,
        ElementType type,
        CudaTensor q,
        CudaTensor k,
        CudaTensor v,
        CudaTensor o,
        long lse,
        int numQHeads,
        int numKvHeads,
        int headDim,
        int seqlenQ,
        int seqlenK,
        SequenceLengths lengths,
        PbsConfig config,
        AttentionTrace trace) {

    /**
     * Checks what the kernels trust.
     *
     * @throws IllegalArgumentException naming the value and what was expected
     */
    CudaCall {
        Optional<String> refusal =
                refusal(manifest, lengths.batch(), numQHeads, numKvHeads, headDim, seqlenK, config);
        if (refusal.isPresent()) {
            throw new IllegalArgumentException(refusal.get());
        }
        expect(
                numKvHeads >= 1 && numQHeads >= 1 && numQHeads % numKvHeads == 0,
                "numQHeads: expected a multiple of numKvHeads "
                        + numKvHeads
                        + ", found "
                        + numQHeads);
        expect(
                seqlenQ >= 1 && seqlenQ <= seqlenK,
                "seqlenQ: expected 1 to seqlenK " + seqlenK + ", found " + seqlenQ);
        for (int b = 0; b < lengths.batch(); ++b) {
            expect(
                    lengths.q(b) <= seqlenQ && lengths.k(b) <= seqlenK,
                    "lengths: expected at most "
                            + seqlenQ
                            + " and "
                            + seqlenK
                            + ", found "
                            + lengths);
        }
        requireAligned("q", q, manifest.constants().tensorAlignment());
        requireAligned("k", k, manifest.constants().tensorAlignment());
        requireAligned("v", v, manifest.constants().tensorAlignment());
        requireAligned("o", o, manifest.constants().tensorAlignment());
    }

    /**
     * Tells why the kernels do not take a call of this shape.
     *
     * @return the reason, or empty if they do
     */
    static Optional<String> refusal(
            KernelManifest manifest,
            int batch,
            int numQHeads,
            int numKvHeads,
            int headDim,
            int seqlenK,
            PbsConfig config) {
        KernelManifest.Constants limits = manifest.constants();
        if (!manifest.headDims().contains(headDim)) {
            return Optional.of("expected headDim of " + manifest.headDims() + ", found " + headDim);
        }
        if (config.blockSize() != limits.blockSize()) {
            return Optional.of(
                    "expected blockSize " + limits.blockSize() + ", found " + config.blockSize());
        }
        if (config.segmentSize() > limits.maxSegmentSize()) {
            return Optional.of(
                    "expected segmentSize of at most "
                            + limits.maxSegmentSize()
                            + ", found "
                            + config.segmentSize());
        }
        if (config.window() != 0) {
            return Optional.of("expected no sliding window, found one of " + config.window());
        }
        if (seqlenK > limits.maxSeqlenK()) {
            return Optional.of(
                    "expected at most " + limits.maxSeqlenK() + " keys, found " + seqlenK);
        }
        if (batch > limits.maxGridYz() || numQHeads + 2L * numKvHeads > limits.maxGridYz()) {
            return Optional.of(
                    "expected at most "
                            + limits.maxGridYz()
                            + " sequences and heads, found batch "
                            + batch
                            + ", "
                            + numQHeads
                            + " and "
                            + numKvHeads
                            + " heads");
        }
        return Optional.empty();
    }

    int batch() {
        return lengths.batch();
    }

    /** Query heads that read one KV head. */
    int groupSize() {
        return numQHeads / numKvHeads;
    }

    double softmaxScale() {
        return config.softmaxScale(headDim);
    }

    /**
     * Keys from which on a sequence's keys are reordered. Where every block is kept the order has
     * no effect on the output, so keys then stay where they are unless a trace is to show it.
     */
    int minLength() {
        return config.keepsEveryBlock() && trace == null
                ? Integer.MAX_VALUE
                : config.minLength(type.torchType());
    }

    /** The block grid of a sequence. */
    BlockGrid grid(int b) {
        return grid(lengths.q(b), lengths.k(b));
    }

    /** The block grid of some queries and keys. */
    BlockGrid grid(int queries, int keys) {
        return new BlockGrid(
                queries,
                keys,
                config.blockSize(),
                config.segmentSize(),
                minLength(),
                config.window());
    }

    /** Whether some sequence's keys are reordered. */
    boolean isSparse() {
        for (int b = 0; b < batch(); ++b) {
            if (!grid(b).isDense()) {
                return true;
            }
        }
        return false;
    }

    boolean hasPaddedQueries() {
        for (int b = 0; b < batch(); ++b) {
            if (lengths.q(b) < seqlenQ) {
                return true;
            }
        }
        return false;
    }

    boolean hasPaddedKeys() {
        for (int b = 0; b < batch(); ++b) {
            if (lengths.k(b) < seqlenK) {
                return true;
            }
        }
        return false;
    }

    /**
     * Whether the query heads of a KV head use the same order of the keys: because they shall, or
     * because no key moves.
     */
    boolean sharesOrder() {
        return config.keyOrder() == KeyOrder.PER_KV_HEAD || !isSparse();
    }

    /** Blocks that dense attention computes, over all sequences and query heads. */
    long causalBlocks() {
        long blocks = 0;
        for (int b = 0; b < batch(); ++b) {
            blocks += grid(b).causalBlocks();
        }
        return blocks * numQHeads;
    }

    private static void requireAligned(String name, CudaTensor tensor, int alignment) {
        expect(
                tensor.isAligned(alignment),
                name
                        + ": expected an address and strides that are multiples of "
                        + alignment
                        + " bytes, found "
                        + tensor);
    }

    private static void expect(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}

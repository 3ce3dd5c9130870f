package io.pbsattn;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.backend.reference.ReferenceBackendProvider;
import io.pbsattn.torch.TorchType;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Permuted Block-Sparse Attention for prefill (arXiv 2510.21270): causal attention that reorders
 * the keys inside segments, so that important ones share blocks, and computes only the blocks that
 * matter.
 *
 * <p>Shapes: q (batch, numQHeads, seqlenQ, headDim); k and v (batch, numKvHeads, seqlenK, headDim).
 * numQHeads is a multiple of numKvHeads: query head h reads KV head {@code h / (numQHeads /
 * numKvHeads)}. seqlenQ may be less than seqlenK: the queries are then the last ones of the
 * sequence. Arrays may be strided views. Instances are safe to use from several threads.
 */
public final class PbsAttention {

    private final PbsConfig config;
    private final List<AttentionBackend> backends;
    private final boolean wantsLse;

    private PbsAttention(PbsConfig config, List<AttentionBackend> backends) {
        this(config, backends, true);
    }

    private PbsAttention(PbsConfig config, List<AttentionBackend> backends, boolean wantsLse) {
        this.config = config;
        this.backends = backends;
        this.wantsLse = wantsLse;
    }

    /**
     * Creates the operator on the best usable backend, or on the one that the system property
     * {@code pbs.attn.backend} forces.
     *
     * @param config the settings
     * @return the operator
     * @throws IllegalStateException if the forced backend cannot run here
     */
    public static PbsAttention create(PbsConfig config) {
        String forced = System.getProperty(Backends.FORCE_PROPERTY);
        return forced == null
                ? new PbsAttention(config, Backends.usable())
                : create(config, forced);
    }

    /**
     * Creates the operator on one backend.
     *
     * @param config the settings
     * @param backend the backend's name: reference, cpu, cuda
     * @return the operator
     * @throws IllegalStateException if that backend cannot run here
     */
    public static PbsAttention create(PbsConfig config, String backend) {
        return new PbsAttention(config, List.of(Backends.named(backend)));
    }

    /**
     * Creates the operator for where it takes the place of another implementation: without the
     * reference backend, which would be slower than what it replaces. A forced backend is taken
     * whatever it is.
     *
     * @param config the settings
     * @return the operator, or empty if no other backend is usable
     * @throws IllegalStateException if the forced backend cannot run here
     */
    public static Optional<PbsAttention> createAccelerated(PbsConfig config) {
        if (System.getProperty(Backends.FORCE_PROPERTY) != null) {
            return Optional.of(create(config));
        }
        List<AttentionBackend> fast =
                Backends.usable().stream()
                        .filter(backend -> !ReferenceBackendProvider.NAME.equals(backend.name()))
                        .toList();
        return fast.isEmpty() ? Optional.empty() : Optional.of(new PbsAttention(config, fast));
    }

    /**
     * Returns the same operator with another scale.
     *
     * @param softmaxScale factor on the query-key products, above 0
     * @return an operator with these settings otherwise
     */
    public PbsAttention withSoftmaxScale(double softmaxScale) {
        PbsConfig scaled = config.toBuilder().optSoftmaxScale(softmaxScale).build();
        return new PbsAttention(scaled, backends, wantsLse);
    }

    /**
     * Returns the same operator for outputs alone: faster in bfloat16 on the CPU, where softmax
     * weights need not be more precise then than what they are rounded to.
     *
     * @return an operator whose outputs have no {@link AttentionOutput#lse}
     */
    public PbsAttention withoutLse() {
        return new PbsAttention(config, backends, false);
    }

    /**
     * Returns the settings.
     *
     * @return the configuration
     */
    public PbsConfig config() {
        return config;
    }

    /**
     * Returns the name of the backend that is tried first.
     *
     * @return the backend's name
     */
    public String backendName() {
        return backends.get(0).name();
    }

    /**
     * Computes attention for a batch without padding.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim)
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values, shaped as the keys
     * @return the output, attached to the manager of q
     * @throws IllegalArgumentException if shapes or types do not fit, or a value is NaN or infinite
     */
    public AttentionOutput forward(NDArray q, NDArray k, NDArray v) {
        return forward(q, k, v, null);
    }

    /**
     * Computes attention for a right-padded batch.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim)
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values, shaped as the keys
     * @param lengths the valid rows of each sequence; null if there is no padding
     * @return the output, attached to the manager of q
     * @throws IllegalArgumentException if shapes or types do not fit, or a value is NaN or infinite
     */
    public AttentionOutput forward(NDArray q, NDArray k, NDArray v, SequenceLengths lengths) {
        return forward(q, k, v, lengths, null);
    }

    /**
     * Computes attention and records the intermediates.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim)
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values, shaped as the keys
     * @param lengths the valid rows of each sequence; null if there is no padding
     * @param trace is filled with orders, scores and mask; null for none
     * @return the output, attached to the manager of q
     * @throws IllegalArgumentException if shapes or types do not fit, or a value is NaN or infinite
     */
    public AttentionOutput forward(
            NDArray q, NDArray k, NDArray v, SequenceLengths lengths, AttentionTrace trace) {
        return run(request(q, k, v, lengths, trace, null));
    }

    /**
     * Computes attention for a batch without padding into an array that is there already. It may be
     * the queries' own: they are overwritten then, and on the CPU's kernels that saves the memory
     * for a second one; other backends compute into an array of their own and copy it.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim)
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values, shaped as the keys
     * @param out q itself, or an array of its shape and type that shares no memory with it; in
     *     either case none with k and v. If the call fails, its contents are undefined
     * @return the output, of which {@link AttentionOutput#o} is {@code out}; closing it closes that
     * @throws IllegalArgumentException if shapes or types do not fit, or a value is NaN or infinite
     */
    public AttentionOutput forwardInto(NDArray q, NDArray k, NDArray v, NDArray out) {
        return run(request(q, k, v, null, null, out));
    }

    private AttentionOutput run(AttentionRequest request) {
        for (AttentionBackend backend : backends) {
            if (backend.refusal(request).isEmpty()) {
                return backend.forward(request);
            }
        }
        throw new IllegalArgumentException(
                "no attention backend takes this call: " + refusals(request));
    }

    /**
     * Tells why a call without padding could not run.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim)
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values, shaped as the keys
     * @return what each backend says against it; empty if one of them takes it
     * @throws IllegalArgumentException if shapes or types do not fit
     */
    public Optional<String> refusal(NDArray q, NDArray k, NDArray v) {
        AttentionRequest request = request(q, k, v, null, null, null);
        boolean runs = backends.stream().anyMatch(b -> b.refusal(request).isEmpty());
        return runs ? Optional.empty() : Optional.of(refusals(request));
    }

    private AttentionRequest request(
            NDArray q,
            NDArray k,
            NDArray v,
            SequenceLengths lengths,
            AttentionTrace trace,
            NDArray out) {
        TorchType type = TorchType.of(q);
        requireSame("k", type, TorchType.of(k));
        requireSame("v", type, TorchType.of(v));
        return new AttentionRequest(
                q,
                k,
                v,
                type,
                lengths == null ? unpadded(q, k) : lengths,
                config,
                trace,
                wantsLse,
                out);
    }

    private String refusals(AttentionRequest request) {
        return backends.stream()
                .map(backend -> backend.name() + ": " + backend.refusal(request).orElse("ready"))
                .collect(Collectors.joining("; "));
    }

    private static SequenceLengths unpadded(NDArray q, NDArray k) {
        Shape sq = q.getShape();
        Shape sk = k.getShape();
        boolean lengthsKnown = sq.dimension() == 4 && sk.dimension() == 4 && sq.get(2) <= sk.get(2);
        if (!lengthsKnown || sq.size() == 0) {
            throw new IllegalArgumentException(
                    "expected q (batch, numQHeads, seqlenQ, headDim) and k (batch, numKvHeads,"
                            + " seqlenK, headDim), not empty, with seqlenQ <= seqlenK; found q "
                            + sq
                            + ", k "
                            + sk);
        }
        return SequenceLengths.uniform(
                Math.toIntExact(sq.get(0)), Math.toIntExact(sq.get(2)), Math.toIntExact(sk.get(2)));
    }

    private static void requireSame(String name, TorchType expected, TorchType found) {
        if (found != expected) {
            throw new IllegalArgumentException(
                    name + ": expected type " + expected + " as in q, found " + found);
        }
    }
}

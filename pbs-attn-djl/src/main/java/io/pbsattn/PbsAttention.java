package io.pbsattn;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.backend.reference.ReferenceBackendProvider;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.util.WarnOnce;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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

    private static final Logger logger = LoggerFactory.getLogger(PbsAttention.class);

    private final PbsConfig config;
    private final List<AttentionBackend> backends;
    private final boolean isForced;
    private final boolean wantsLse;

    private PbsAttention(
            PbsConfig config, List<AttentionBackend> backends, boolean isForced, boolean wantsLse) {
        this.config = config;
        this.backends = backends;
        this.isForced = isForced;
        this.wantsLse = wantsLse;
    }

    /**
     * Creates the operator on the usable backends, or on the one that the system property {@code
     * pbs.attn.backend} forces. Each call runs on the best backend that takes it. Where no kernel
     * does, that is the slow reference backend, which a warning tells once for each reason.
     *
     * @param config the settings
     * @return the operator
     * @throws IllegalStateException if the forced backend cannot run here
     */
    public static PbsAttention create(PbsConfig config) {
        String forced = System.getProperty(Backends.FORCE_PROPERTY);
        return forced == null
                ? new PbsAttention(config, Backends.usable(), false, true)
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
        return new PbsAttention(config, List.of(Backends.named(backend)), true, true);
    }

    /**
     * Returns the same operator without the reference backend: for where another implementation is
     * at hand, which that would be slower than. A backend that is forced stays, whatever it is.
     *
     * @return an operator that may have no backend at all; ask {@link #refusal} before a call
     */
    public PbsAttention kernelsOnly() {
        List<AttentionBackend> kernels =
                isForced ? backends : backends.stream().filter(b -> !isReference(b)).toList();
        return new PbsAttention(config, kernels, isForced, wantsLse);
    }

    /**
     * Returns an operator on the same backends with other settings.
     *
     * @param other the settings
     * @return the operator
     */
    public PbsAttention withConfig(PbsConfig other) {
        return new PbsAttention(other, backends, isForced, wantsLse);
    }

    /**
     * Returns the same operator for outputs alone: faster in bfloat16 on the CPU, where softmax
     * weights need not be more precise then than what they are rounded to.
     *
     * @return an operator whose outputs have no {@link AttentionOutput#lse}
     */
    public PbsAttention withoutLse() {
        return new PbsAttention(config, backends, isForced, false);
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
     * Tells whether the user has forced the backend, so that another is no way out.
     *
     * @return true if the operator was made for one backend
     */
    public boolean isForced() {
        return isForced;
    }

    /**
     * Returns the name of the backend that is tried first.
     *
     * @return the backend's name; "" if there is none, see {@link #kernelsOnly}
     */
    public String backendName() {
        return backends.isEmpty() ? "" : backends.get(0).name();
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
                if (!isForced && isReference(backend)) {
                    WarnOnce.warn(
                            logger,
                            "Attention runs on the slow reference backend. "
                                    + Backends.whyNoKernel(request));
                }
                return run(backend, request);
            }
        }
        throw new IllegalArgumentException(
                "no attention backend takes this call: " + refusals(request));
    }

    /**
     * Runs a call on arrays of its own, which share the memory of those that were given: another
     * thread may close these, or their manager, at any time. A closed manager cannot own the
     * output, and the call fails.
     */
    private static AttentionOutput run(AttentionBackend backend, AttentionRequest request) {
        NDManager manager = request.q().getManager();
        Device device = request.q().getDevice();
        try (NDManager scope = NDManager.newBaseManager(device, "PyTorch")) {
            AttentionOutput output = backend.forward(request.held(scope));
            if (output.lse() != null) {
                LibTorch.handOver(output.lse(), manager);
            }
            if (request.out() != null) {
                return new AttentionOutput(request.out(), output.lse(), output.report());
            }
            LibTorch.handOver(output.o(), manager);
            return output;
        }
    }

    /**
     * Tells why a call without padding could not run.
     *
     * @param q queries (batch, numQHeads, seqlenQ, headDim)
     * @param k keys (batch, numKvHeads, seqlenK, headDim)
     * @param v values, shaped as the keys
     * @return what each backend for the device of q says against it, or why that backend cannot run
     *     here; empty if one of them takes the call
     * @throws IllegalArgumentException if shapes or types do not fit
     */
    public Optional<String> refusal(NDArray q, NDArray k, NDArray v) {
        AttentionRequest request = request(q, k, v, null, null, null);
        boolean runs = backends.stream().anyMatch(b -> b.refusal(request).isEmpty());
        return runs ? Optional.empty() : Optional.of(refusals(request));
    }

    private String refusals(AttentionRequest request) {
        return isForced
                ? backendName() + ": " + backends.get(0).refusal(request).orElse("ready")
                : Backends.whyNoKernel(request);
    }

    private static boolean isReference(AttentionBackend backend) {
        return ReferenceBackendProvider.NAME.equals(backend.name());
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

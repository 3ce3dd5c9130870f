package io.pbsattn.torchscript;

/** Where a call of scaled dot product attention went, and why. */
public enum SdpaRoute {
    /** Causal attention over a long sequence: Permuted Block-Sparse Attention. */
    PBS("causal attention over a long sequence"),
    /** PyTorch: fewer query rows than a block has, as in decoding. */
    FEW_QUERIES("fewer queries than a block has"),
    /** PyTorch: fewer keys than {@link io.pbsattn.PbsConfig#minLength}. */
    SHORT("fewer keys than attention.min_length"),
    /** PyTorch: bidirectional or cross attention. */
    NOT_CAUSAL("attention that is not causal"),
    /** PyTorch: a mask that is not causal with padding around. */
    OTHER_MASK("a mask that is not causal with padding around"),
    /** PyTorch: weights are dropped at random. */
    DROPOUT("dropout; call eval() before the model is traced or scripted"),
    /** PyTorch: gradients are recorded. */
    GRADIENT("gradients are recorded; trace the model without them"),
    /** PyTorch: not four dimensions, or widths or numbers of heads that PBS does not take. */
    SHAPE("shapes other than (batch, heads, rows, headDim) with values as wide as keys"),
    /** PyTorch: an element type that PBS does not take. */
    TYPE("an element type other than float32, bfloat16 and float16"),
    /** PyTorch: a scale that is not positive. */
    SCALE("a scale that is not positive"),
    /** PyTorch: no kernel for this device or head dimension. */
    NO_KERNEL("no kernel takes the call"),
    /** PyTorch: a call that {@link SdpaScope#optDenseCalls} leaves dense. */
    DENSE_CALL("a call that is to stay dense"),
    /** PBS was tried and failed; the exception reached the caller. */
    FAILED("Permuted Block-Sparse Attention failed");

    private final String reason;

    SdpaRoute(String reason) {
        this.reason = reason;
    }

    /**
     * Returns why a call goes this way.
     *
     * @return a few words
     */
    public String reason() {
        return reason;
    }

    /**
     * Tells whether Permuted Block-Sparse Attention is meant for such calls, so that a user expects
     * it to run: not so for decoding, short sequences and attention that is not causal.
     */
    boolean isFall() {
        return switch (this) {
            case PBS, FEW_QUERIES, SHORT, NOT_CAUSAL, DENSE_CALL, FAILED -> false;
            default -> true;
        };
    }
}

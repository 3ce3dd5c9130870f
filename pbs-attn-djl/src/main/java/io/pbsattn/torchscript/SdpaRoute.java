package io.pbsattn.torchscript;

/** Where a call of scaled dot product attention went, and why. */
public enum SdpaRoute {
    /** Causal attention over a long sequence: Permuted Block-Sparse Attention. */
    PBS,
    /** PyTorch: fewer query rows than a block has, as in decoding. */
    FEW_QUERIES,
    /** PyTorch: fewer keys than {@link io.pbsattn.PbsConfig#minLength}. */
    SHORT,
    /** PyTorch: bidirectional or cross attention. */
    NOT_CAUSAL,
    /** PyTorch: a mask that is not causal with padding around. */
    OTHER_MASK,
    /** PyTorch: weights are dropped at random. */
    DROPOUT,
    /** PyTorch: gradients are recorded. */
    GRADIENT,
    /** PyTorch: not four dimensions, or widths or numbers of heads that PBS does not take. */
    SHAPE,
    /** PyTorch: an element type that PBS does not take. */
    TYPE,
    /** PyTorch: a scale that is not positive. */
    SCALE,
    /** PyTorch: no kernel for this device or head dimension. */
    NO_KERNEL,
    /** PBS was tried and failed; the exception reached the caller. */
    FAILED
}

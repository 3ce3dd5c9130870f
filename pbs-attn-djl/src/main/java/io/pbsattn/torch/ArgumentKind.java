package io.pbsattn.torch;

/** What an argument of an operator can be; as PyTorch's schema writes it in brackets. */
public enum ArgumentKind {
    /** An {@code NDArray} (Tensor). */
    TENSOR,
    /** An {@code Optional<NDArray>} (Tensor?). */
    OPTIONAL_TENSOR,
    /** A {@code Double} (float). */
    NUMBER,
    /** An {@code Optional<Double>} (float?). */
    OPTIONAL_NUMBER,
    /** A {@code Boolean} (bool). */
    FLAG
}

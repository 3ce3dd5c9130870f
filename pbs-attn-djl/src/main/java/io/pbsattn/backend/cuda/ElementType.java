package io.pbsattn.backend.cuda;

import io.pbsattn.torch.TorchType;
import java.util.Optional;

/** The element types that the kernels are compiled for. */
enum ElementType {
    BF16("bf16", 0x7f80, 9),
    F16("f16", 0x7c00, 6);

    /** Bytes of an element. */
    static final int BYTES = 2;

    private final String suffix;
    private final int exponentBits;
    private final int tensorMapCode;

    ElementType(String suffix, int exponentBits, int tensorMapCode) {
        this.suffix = suffix;
        this.exponentBits = exponentBits;
        this.tensorMapCode = tensorMapCode;
    }

    static Optional<ElementType> of(TorchType type) {
        return switch (type) {
            case BFLOAT16 -> Optional.of(BF16);
            case FLOAT16 -> Optional.of(F16);
            default -> Optional.empty();
        };
    }

    TorchType torchType() {
        return this == BF16 ? TorchType.BFLOAT16 : TorchType.FLOAT16;
    }

    /** The part of kernels' names. */
    String suffix() {
        return suffix;
    }

    /** Bits that are all set in NaN and infinity. */
    int exponentBits() {
        return exponentBits;
    }

    /** The CUtensorMapDataType. */
    int tensorMapCode() {
        return tensorMapCode;
    }
}

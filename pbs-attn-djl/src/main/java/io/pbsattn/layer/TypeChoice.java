package io.pbsattn.layer;

import io.pbsattn.kernels.NativeKernels;
import io.pbsattn.torch.TorchType;
import java.util.Set;

/**
 * The type that a model computes in, where its user names none: a table, so that machines of one
 * type give the same answers.
 *
 * <table>
 *   <caption>By instruction set and the type of the stored weights</caption>
 *   <tr><th>instruction set</th><th>bfloat16</th><th>float16, float32, others</th></tr>
 *   <tr><td>amx_bf16, avx512_bf16</td><td>bfloat16</td><td>float32</td></tr>
 *   <tr><td>avx512, avx2, scalar, neon</td><td>float32</td><td>float32</td></tr>
 *   <tr><td>no native library</td><td>float32</td><td>float32</td></tr>
 * </table>
 */
final class TypeChoice {

    /** What multiplies bfloat16 in one instruction; elsewhere libtorch emulates it, slowly. */
    private static final Set<String> WITH_BFLOAT16 = Set.of("amx_bf16", "avx512_bf16");

    private TypeChoice() {}

    /** Reads the table for this machine. */
    static TorchType of(TorchType stored) {
        return of(stored, NativeKernels.refusal().isEmpty() ? NativeKernels.get().isa() : "");
    }

    /**
     * Reads the table.
     *
     * @param isa as {@link NativeKernels#isa} names it; "" where there is no native library
     */
    static TorchType of(TorchType stored, String isa) {
        return stored == TorchType.BFLOAT16 && WITH_BFLOAT16.contains(isa)
                ? TorchType.BFLOAT16
                : TorchType.FLOAT32;
    }
}

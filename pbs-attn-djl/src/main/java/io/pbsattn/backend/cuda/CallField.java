package io.pbsattn.backend.cuda;

import java.util.Locale;

/**
 * The fields of struct pbs_cuda_call in native-kernels/include/pbs_cuda.h, which describes them, in
 * its order. Each has 8 bytes.
 */
enum CallField {
    Q,
    Q_BATCH_STRIDE,
    Q_HEAD_STRIDE,
    Q_ROW_STRIDE,
    K,
    K_BATCH_STRIDE,
    K_HEAD_STRIDE,
    K_ROW_STRIDE,
    V,
    V_BATCH_STRIDE,
    V_HEAD_STRIDE,
    V_ROW_STRIDE,
    O,
    O_BATCH_STRIDE,
    O_HEAD_STRIDE,
    O_ROW_STRIDE,
    LSE,
    SEQLENS_Q,
    SEQLENS_K,
    BATCH,
    NUM_Q_HEADS,
    NUM_KV_HEADS,
    HEAD_DIM,
    MAX_SEQLEN_Q,
    MAX_SEQLEN_K,
    HEAD_BEGIN,
    HEAD_COUNT,
    SEGMENT_SIZE,
    MIN_LENGTH,
    FORCE_FIRST_BLOCK,
    KEY_ORDER,
    SELECT_ROWS,
    FINITE_MASK,
    THRESHOLD,
    SOFTMAX_SCALE,
    COUNTERS,
    KEY_SCORES,
    PARTIAL_MAX,
    PARTIAL_SUM,
    ORDER,
    FIRST_BLOCK,
    MEAN_QUERIES,
    MEAN_KEYS,
    BLOCK_MASK,
    KEPT_COUNTS,
    ROWS,
    BLOCK_SCORES,
    PACKED_K,
    PACKED_V,
    KV_IS_PACKED;

    /** Bytes of the struct. */
    static final int STRUCT_BYTES = Long.BYTES * values().length;

    /** The field's name in C. */
    String cName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Bytes from the struct's begin. */
    @SuppressWarnings("EnumOrdinal") // the order is the struct's
    int offset() {
        return Long.BYTES * ordinal();
    }
}

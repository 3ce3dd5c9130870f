package io.pbsattn.zoo.model;

import java.util.Locale;

/** The attention of a model's prefill. */
public enum AttentionKind {
    /** Permuted Block-Sparse Attention. */
    PBS,
    /** Dense attention of PyTorch. */
    DENSE;

    /**
     * Returns the kind of a name.
     *
     * @param name pbs or dense
     * @return the kind
     * @throws IllegalArgumentException if it is neither
     */
    public static AttentionKind parse(String name) {
        for (AttentionKind kind : values()) {
            if (kind.toString().equals(name)) {
                return kind;
            }
        }
        throw new IllegalArgumentException(
                "attention: expected pbs or dense, found '" + name + "'");
    }

    /**
     * Returns the name as it is written in options.
     *
     * @return pbs or dense
     */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}

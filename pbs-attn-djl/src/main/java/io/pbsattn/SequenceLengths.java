package io.pbsattn;

import java.util.Arrays;

/**
 * The valid rows of each sequence in a right-padded batch.
 *
 * <p>Sequence {@code b} has queries in rows {@code 0..q(b)-1} and keys in rows {@code 0..k(b)-1};
 * its queries are the last {@code q(b)} of its {@code k(b)} positions. The rows beyond are padding:
 * they are not read, and their output is 0 with log-sum-exp negative infinity.
 */
public final class SequenceLengths {

    private final int[] q;
    private final int[] k;

    /**
     * Constructs the lengths of a batch.
     *
     * @param q query rows of each sequence, each at least 1
     * @param k key rows of each sequence, each at least the query rows
     * @throws IllegalArgumentException if the arrays differ in length or a value is out of range
     */
    public SequenceLengths(int[] q, int[] k) {
        if (q.length != k.length) {
            throw new IllegalArgumentException(
                    "lengths: " + q.length + " for queries, but " + k.length + " for keys");
        }
        for (int b = 0; b < q.length; ++b) {
            if (q[b] < 1 || k[b] < q[b]) {
                throw new IllegalArgumentException(
                        "lengths of sequence "
                                + b
                                + ": expected 1 <= seqlenQ <= seqlenK, found "
                                + q[b]
                                + " and "
                                + k[b]);
            }
        }
        this.q = q.clone();
        this.k = k.clone();
    }

    /**
     * Returns the lengths of a batch without padding.
     *
     * @param batch the number of sequences
     * @param seqlenQ query rows of each
     * @param seqlenK key rows of each
     * @return the lengths
     */
    public static SequenceLengths uniform(int batch, int seqlenQ, int seqlenK) {
        int[] q = new int[batch];
        int[] k = new int[batch];
        Arrays.fill(q, seqlenQ);
        Arrays.fill(k, seqlenK);
        return new SequenceLengths(q, k);
    }

    /**
     * Returns the number of sequences.
     *
     * @return the batch size
     */
    public int batch() {
        return q.length;
    }

    /**
     * Returns the query rows of a sequence.
     *
     * @param b the sequence
     * @return its number of queries
     */
    public int q(int b) {
        return q[b];
    }

    /**
     * Returns the key rows of a sequence.
     *
     * @param b the sequence
     * @return its number of keys
     */
    public int k(int b) {
        return k[b];
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return "queries " + Arrays.toString(q) + ", keys " + Arrays.toString(k);
    }
}

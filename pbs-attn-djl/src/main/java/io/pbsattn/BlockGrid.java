package io.pbsattn;

/**
 * How the blocks of one sequence lie: which key blocks a query block may look at, and which of them
 * it must.
 *
 * <p>Query block {@code i} holds the query rows from {@code i * blockSize}; row {@code r} stands at
 * position {@code seqlenK - seqlenQ + r}, so that the queries are the last ones of the sequence.
 * Key block {@code j} holds the permuted keys from {@code j * blockSize}. A key block belongs to
 * the segment that it lies in; an incomplete last segment counts as one.
 *
 * @param seqlenQ number of queries
 * @param seqlenK number of keys
 * @param blockSize tokens in a block
 * @param segmentSize tokens in a segment
 * @param minLength a sequence of fewer keys keeps every block
 * @param window keys that a query sees, its own the last of them; 0 for all up to its own
 */
public record BlockGrid(
        int seqlenQ, int seqlenK, int blockSize, int segmentSize, int minLength, int window) {

    /**
     * Returns the number of query blocks.
     *
     * @return the grid's rows
     */
    public int qBlocks() {
        return ceilDiv(seqlenQ, blockSize);
    }

    /**
     * Returns the number of key blocks.
     *
     * @return the grid's columns
     */
    public int kBlocks() {
        return ceilDiv(seqlenK, blockSize);
    }

    /**
     * Returns the number of keys in complete segments: the ones that are reordered.
     *
     * @return a multiple of the segment size
     */
    public int completeKeys() {
        return seqlenK / segmentSize * segmentSize;
    }

    /**
     * Tells whether everything lies in one segment.
     *
     * @return true if there are no more keys than a segment has
     */
    public boolean isSingleSegment() {
        return seqlenK <= segmentSize;
    }

    /**
     * Tells whether queries see less than the sequence before them.
     *
     * @return true if there is a window and it is shorter than the sequence
     */
    public boolean isWindowed() {
        return window > 0 && window < seqlenK;
    }

    /**
     * Tells whether no block that a query sees may be skipped, so that there is nothing to reorder
     * either.
     *
     * @return true for a single segment, for fewer keys than {@code minLength}, and in a window
     */
    public boolean isDense() {
        return isSingleSegment() || seqlenK < minLength || isWindowed();
    }

    /**
     * Tells whether the block scores decide about a block: all its keys are of a segment that ends
     * before the query block begins.
     *
     * @param i query block
     * @param j key block
     * @return true if it is a candidate
     */
    public boolean isCandidate(int i, int j) {
        return !isSingleSegment() && !isWindowed() && segmentEnd(j) <= firstPosition(i);
    }

    /**
     * Tells whether a block must be kept: its segment, or a window that it lies in, reaches into
     * the query block's positions.
     *
     * @param i query block
     * @param j key block
     * @return true if it is of the query block's own segment or windows
     */
    public boolean isForced(int i, int j) {
        if (isWindowed()) {
            int lastKey = Math.min((j + 1) * blockSize, seqlenK) - 1;
            return lastKey > firstPosition(i) - window && j * blockSize <= lastPosition(i);
        }
        return isSingleSegment()
                || (segmentEnd(j) > firstPosition(i) && segmentStart(j) <= lastPosition(i));
    }

    private int firstPosition(int i) {
        return seqlenK - seqlenQ + i * blockSize;
    }

    private int lastPosition(int i) {
        return seqlenK - seqlenQ + Math.min((i + 1) * blockSize, seqlenQ) - 1;
    }

    private int segmentStart(int j) {
        return j * blockSize / segmentSize * segmentSize;
    }

    private int segmentEnd(int j) {
        return Math.min(segmentStart(j) + segmentSize, seqlenK);
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }
}

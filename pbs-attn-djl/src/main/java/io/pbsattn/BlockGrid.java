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
     * Returns the first key block that a query block looks at.
     *
     * @param i query block
     * @return 0 unless a window begins later
     */
    public int first(int i) {
        return isWindowed() ? Math.max(0, firstPosition(i) - window + 1) / blockSize : 0;
    }

    /**
     * Returns the end of the candidates: key blocks {@code first(i)} to {@code candidates(i) - 1}
     * are of segments that end before the query block begins, and the block scores decide about
     * them.
     *
     * @param i query block
     * @return {@code first(i)} if there is none
     */
    public int candidates(int i) {
        if (isWindowed()) {
            return first(i);
        }
        return isSingleSegment() ? 0 : firstPosition(i) / segmentSize * (segmentSize / blockSize);
    }

    /**
     * Returns the end of what a query block looks at: key blocks {@code candidates(i)} to {@code
     * visible(i) - 1} are of its own segments, or of its window, and are always kept.
     *
     * @param i query block
     * @return the first key block that it does not look at, or {@link #kBlocks}
     */
    public int visible(int i) {
        if (isWindowed()) {
            return lastPosition(i) / blockSize + 1;
        }
        return isSingleSegment()
                ? kBlocks()
                : Math.min(
                        kBlocks(), (lastPosition(i) / segmentSize + 1) * (segmentSize / blockSize));
    }

    /**
     * Returns the number of blocks that dense attention computes.
     *
     * @return the key blocks that each query block looks at, added up
     */
    public long causalBlocks() {
        long blocks = 0;
        for (int i = 0; i < qBlocks(); ++i) {
            blocks += visible(i) - first(i);
        }
        return blocks;
    }

    /**
     * Tells whether the block scores decide about a block.
     *
     * @param i query block
     * @param j key block
     * @return true if it is a candidate
     */
    public boolean isCandidate(int i, int j) {
        return j >= first(i) && j < candidates(i);
    }

    /**
     * Tells whether a block is kept whatever its score.
     *
     * @param i query block
     * @param j key block
     * @return true if it is of the query block's own segments or window
     */
    public boolean isForced(int i, int j) {
        return j >= candidates(i) && j < visible(i);
    }

    private int firstPosition(int i) {
        return seqlenK - seqlenQ + i * blockSize;
    }

    private int lastPosition(int i) {
        return seqlenK - seqlenQ + Math.min((i + 1) * blockSize, seqlenQ) - 1;
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }
}

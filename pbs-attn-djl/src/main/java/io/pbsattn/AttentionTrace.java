package io.pbsattn;

import io.pbsattn.backend.AttentionRequest;
import java.util.Arrays;

/**
 * The intermediates of one attention call, for checks; a call that is given a trace fills it.
 *
 * <p>The arrays grow with batch, heads and the square of the block count, so it is meant for tests
 * and verification.
 */
public final class AttentionTrace {

    private int heads;
    private int seqlenK;
    private int qBlocks;
    private int kBlocks;
    private int[] indices = {};
    private float[] keyScores = {};
    private float[] blockScores = {};
    private byte[] blockMask = {};

    /** Constructs an empty trace. */
    public AttentionTrace() {}

    /**
     * Makes room for the intermediates of a call; backends begin with it.
     *
     * @param request the call
     */
    public void allocate(AttentionRequest request) {
        allocate(
                request.batch(),
                request.numQHeads(),
                request.grid(request.seqlenQ(), request.seqlenK()));
    }

    /**
     * Makes room for the intermediates of a call.
     *
     * @param batch number of sequences
     * @param numQHeads number of query heads
     * @param grid the block grid of a sequence without padding
     */
    public void allocate(int batch, int numQHeads, BlockGrid grid) {
        heads = numQHeads;
        seqlenK = grid.seqlenK();
        qBlocks = grid.qBlocks();
        kBlocks = grid.kBlocks();
        int rows = Math.multiplyExact(batch, heads);
        int blocks = Math.multiplyExact(rows, Math.multiplyExact(qBlocks, kBlocks));
        indices = new int[Math.multiplyExact(rows, seqlenK)];
        keyScores = new float[indices.length];
        blockScores = new float[blocks];
        blockMask = new byte[blocks];
    }

    /**
     * Returns the number of query blocks.
     *
     * @return rows of the block grid
     */
    public int qBlocks() {
        return qBlocks;
    }

    /**
     * Returns the number of key blocks.
     *
     * @return columns of the block grid
     */
    public int kBlocks() {
        return kBlocks;
    }

    /**
     * Returns the key order of a head.
     *
     * @param b sequence
     * @param h query head
     * @return (seqlenK) original position of the key at each index
     */
    public int[] indices(int b, int h) {
        return Arrays.copyOfRange(indices, row(b, h) * seqlenK, (row(b, h) + 1) * seqlenK);
    }

    /**
     * Returns the key scores of a head.
     *
     * @param b sequence
     * @param h query head
     * @return (seqlenK) score by original position; 0 for keys outside the complete segments
     */
    public float[] keyScores(int b, int h) {
        return Arrays.copyOfRange(keyScores, row(b, h) * seqlenK, (row(b, h) + 1) * seqlenK);
    }

    /**
     * Returns the block scores of a head.
     *
     * @param b sequence
     * @param h query head
     * @return (qBlocks, kBlocks) row-major; softmax over the row's candidates, 0 elsewhere
     */
    public float[] blockScores(int b, int h) {
        int size = qBlocks * kBlocks;
        return Arrays.copyOfRange(blockScores, row(b, h) * size, (row(b, h) + 1) * size);
    }

    /**
     * Returns the blocks that a head kept.
     *
     * @param b sequence
     * @param h query head
     * @return (qBlocks, kBlocks) row-major; the future blocks of the own segment count as kept
     */
    public boolean[] blockMask(int b, int h) {
        int size = qBlocks * kBlocks;
        boolean[] mask = new boolean[size];
        for (int i = 0; i < size; ++i) {
            mask[i] = blockMask[row(b, h) * size + i] != 0;
        }
        return mask;
    }

    /**
     * Records the key order and scores of a head.
     *
     * @param b sequence
     * @param h query head
     * @param order original position of the key at each index, at most seqlenK
     * @param scores score by original position, at most seqlenK
     */
    public void setPermutation(int b, int h, int[] order, float[] scores) {
        System.arraycopy(order, 0, indices, row(b, h) * seqlenK, order.length);
        System.arraycopy(scores, 0, keyScores, row(b, h) * seqlenK, scores.length);
    }

    /**
     * Records one block of a head.
     *
     * @param b sequence
     * @param h query head
     * @param i query block
     * @param j key block
     * @param score the block's score
     * @param kept whether it is computed
     */
    public void setBlock(int b, int h, int i, int j, float score, boolean kept) {
        int at = (row(b, h) * qBlocks + i) * kBlocks + j;
        blockScores[at] = score;
        blockMask[at] = (byte) (kept ? 1 : 0);
    }

    /**
     * Records everything at once, from contiguous arrays over (batch, numQHeads, ...).
     *
     * @param indices (batch, numQHeads, seqlenK)
     * @param keyScores (batch, numQHeads, seqlenK)
     * @param blockScores (batch, numQHeads, qBlocks, kBlocks)
     * @param blockMask (batch, numQHeads, qBlocks, kBlocks), 1 = kept
     */
    public void setAll(int[] indices, float[] keyScores, float[] blockScores, byte[] blockMask) {
        this.indices = indices;
        this.keyScores = keyScores;
        this.blockScores = blockScores;
        this.blockMask = blockMask;
    }

    private int row(int b, int h) {
        return b * heads + h;
    }
}

package io.pbsattn.kernels;

import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;

/** struct pbs_attn_call of native-kernels/include/pbs_attn.h, where every field is described. */
@FieldOrder({
    "structSize",
    "dtype",
    "batch",
    "numQHeads",
    "numKvHeads",
    "headDim",
    "maxSeqlenQ",
    "maxSeqlenK",
    "seqlensQ",
    "seqlensK",
    "q",
    "k",
    "v",
    "o",
    "lse",
    "blockSize",
    "segmentSize",
    "threshold",
    "softmaxScale",
    "forceFirstBlock",
    "keyOrder",
    "minLength",
    "window",
    "numThreads",
    "trace",
    "keptBlocks",
    "causalBlocks",
    "permuteSeconds",
    "selectSeconds",
    "attendSeconds"
})
public final class AttentionCall extends Structure {

    /** Bytes of the structure. */
    public int structSize;

    /** The type of q, k, v and o, see {@link NativeKernels#dtypeCode}. */
    public int dtype;

    /** The number of sequences. */
    public int batch;

    /** The number of query heads. */
    public int numQHeads;

    /** The number of key and value heads. */
    public int numKvHeads;

    /** Elements of a row. */
    public int headDim;

    /** Rows of q and o. */
    public int maxSeqlenQ;

    /** Rows of k and v. */
    public int maxSeqlenK;

    /** int32 (batch), or null: all rows. */
    public Pointer seqlensQ;

    /** int32 (batch), or null: all rows. */
    public Pointer seqlensK;

    /** (batch, numQHeads, maxSeqlenQ, headDim). */
    public Heads q;

    /** (batch, numKvHeads, maxSeqlenK, headDim). */
    public Heads k;

    /** Shaped as k. */
    public Heads v;

    /** Shaped as q. */
    public Heads o;

    /** float32 (batch, numQHeads, maxSeqlenQ), or null: not wanted. */
    public Pointer lse;

    /** Tokens of a block. */
    public int blockSize;

    /** Tokens of a segment. */
    public int segmentSize;

    /** 0 to 1; 1 keeps every candidate. */
    public double threshold;

    /** Factor on the query-key products. */
    public double softmaxScale;

    /** 1: every row keeps the block that holds token 0. */
    public int forceFirstBlock;

    /** 1: the query heads of a KV head share an order of keys; 0: each has its own. */
    public int keyOrder;

    /** A sequence of fewer keys keeps every block. */
    public int minLength;

    /** Keys that a query sees, its own the last of them; 0: all up to its own. */
    public int window;

    /** 0 for one per core. */
    public int numThreads;

    /** Where intermediates go. */
    public Trace trace;

    /** Out: blocks that were attended to, over all sequences and query heads. */
    public long keptBlocks;

    /** Out: blocks that dense attention would have attended to. */
    public long causalBlocks;

    /** Out: wall time of reordering keys. */
    public double permuteSeconds;

    /** Out: wall time of choosing blocks. */
    public double selectSeconds;

    /** Out: wall time of attention. */
    public double attendSeconds;

    /** Constructs an empty call. */
    public AttentionCall() {
        structSize = size();
    }

    /** struct pbs_attn_trace: where intermediates go; null pointers are not filled. */
    @FieldOrder({"indices", "keyScores", "blockScores", "blockMask"})
    public static final class Trace extends Structure {
        /** int32 (batch, numQHeads, maxSeqlenK): original position of each key. */
        public Pointer indices;

        /** float32 (batch, numQHeads, maxSeqlenK): scores by original position. */
        public Pointer keyScores;

        /** float32 (batch, numQHeads, query blocks, key blocks). */
        public Pointer blockScores;

        /** bytes (batch, numQHeads, query blocks, key blocks): 1 where a block is kept. */
        public Pointer blockMask;
    }
}

package io.pbsattn.backend.cpu;

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
public final class NativeCall extends Structure {

    public int structSize;
    public int dtype;
    public int batch;
    public int numQHeads;
    public int numKvHeads;
    public int headDim;
    public int maxSeqlenQ;
    public int maxSeqlenK;
    public Pointer seqlensQ;
    public Pointer seqlensK;
    public NativeTensor q;
    public NativeTensor k;
    public NativeTensor v;
    public NativeTensor o;
    public Pointer lse;
    public int blockSize;
    public int segmentSize;
    public double threshold;
    public double softmaxScale;
    public int forceFirstBlock;
    public int keyOrder;
    public int minLength;
    public int window;
    public int numThreads;
    public NativeTrace trace;
    public long keptBlocks;
    public long causalBlocks;
    public double permuteSeconds;
    public double selectSeconds;
    public double attendSeconds;

    /** struct pbs_attn_tensor. */
    @FieldOrder({"data", "batchStride", "headStride", "rowStride"})
    public static final class NativeTensor extends Structure {
        public Pointer data;
        public long batchStride;
        public long headStride;
        public long rowStride;
    }

    /** struct pbs_attn_trace. */
    @FieldOrder({"indices", "keyScores", "blockScores", "blockMask"})
    public static final class NativeTrace extends Structure {
        public Pointer indices;
        public Pointer keyScores;
        public Pointer blockScores;
        public Pointer blockMask;
    }
}

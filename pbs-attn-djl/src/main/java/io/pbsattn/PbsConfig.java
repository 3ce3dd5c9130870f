package io.pbsattn;

import io.pbsattn.torch.TorchType;
import io.pbsattn.util.DjlArguments;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * The settings of Permuted Block-Sparse Attention; immutable.
 *
 * <p>The defaults are the paper's: blocks of 128 tokens, segments of 256, threshold 0.9, first
 * block kept; except that short sequences keep every block, see {@link #minLength}.
 */
public final class PbsConfig {

    /** The defaults. */
    public static final PbsConfig DEFAULT = builder().build();

    /** The defaults, but with every block kept: exact causal attention. */
    public static final PbsConfig DENSE = builder().optThreshold(1).build();

    // Below, to reorder the keys takes longer than the skipped blocks would have taken, as
    // `pbs bench operator` shows; the faster the products, the longer that is so.
    private static final int MIN_LENGTH = 3072;
    private static final int MIN_LENGTH_BFLOAT16 = 6144;

    private static final Map<String, BiConsumer<Builder, String>> ARGUMENTS = arguments();

    private final int blockSize;
    private final int segmentSize;
    private final double threshold;
    private final boolean forceFirstBlock;
    private final double softmaxScale;
    private final KeyOrder keyOrder;
    private final int minLength;
    private final int window;

    private PbsConfig(Builder builder) {
        blockSize = builder.blockSize;
        segmentSize = builder.segmentSize;
        threshold = builder.threshold;
        forceFirstBlock = builder.forceFirstBlock;
        softmaxScale = builder.softmaxScale;
        keyOrder = builder.keyOrder;
        minLength = builder.minLength;
        window = builder.window;
    }

    private static Map<String, BiConsumer<Builder, String>> arguments() {
        Map<String, BiConsumer<Builder, String>> arguments = new LinkedHashMap<>();
        arguments.put("attention.threshold", Builder::optThreshold);
        putTokens(arguments, "attention.block_size", Builder::optBlockSize);
        putTokens(arguments, "attention.segment_size", Builder::optSegmentSize);
        putTokens(arguments, "attention.min_length", Builder::optMinLength);
        return Collections.unmodifiableMap(arguments);
    }

    private static void putTokens(
            Map<String, BiConsumer<Builder, String>> arguments,
            String key,
            BiConsumer<Builder, Integer> setter) {
        arguments.put(
                key,
                (builder, value) ->
                        setter.accept(
                                builder, DjlArguments.integer(key, "a number of tokens", value)));
    }

    /**
     * Returns the DJL arguments that {@link Builder#optArgument} understands: {@code
     * attention.threshold} (0 to 1, or {@code all}), {@code attention.block_size}, {@code
     * attention.segment_size} and {@code attention.min_length} (tokens).
     *
     * @return their names
     */
    public static Set<String> argumentNames() {
        return ARGUMENTS.keySet();
    }

    /**
     * Returns a builder that holds the defaults.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns a builder that holds these settings.
     *
     * @return a new builder
     */
    public Builder toBuilder() {
        Builder builder = new Builder();
        builder.blockSize = blockSize;
        builder.segmentSize = segmentSize;
        builder.threshold = threshold;
        builder.forceFirstBlock = forceFirstBlock;
        builder.softmaxScale = softmaxScale;
        builder.keyOrder = keyOrder;
        builder.minLength = minLength;
        builder.window = window;
        return builder;
    }

    /**
     * Returns the number of tokens in a block, the unit that is kept or skipped.
     *
     * @return the block size in tokens
     */
    public int blockSize() {
        return blockSize;
    }

    /**
     * Returns the number of tokens in a segment, inside which keys are reordered.
     *
     * @return the segment size in tokens, a multiple of the block size
     */
    public int segmentSize() {
        return segmentSize;
    }

    /**
     * Returns the share of the block scores' mass that the kept blocks of a row reach.
     *
     * @return the threshold, 0 to 1
     */
    public double threshold() {
        return threshold;
    }

    /**
     * Tells whether no block is skipped, so that the result is exact causal attention.
     *
     * @return true if the threshold is 1
     */
    public boolean keepsEveryBlock() {
        return threshold == 1;
    }

    /**
     * Tells whether every row keeps the block that holds token 0.
     *
     * @return true if it does
     */
    public boolean forceFirstBlock() {
        return forceFirstBlock;
    }

    /**
     * Returns the factor on the query-key products.
     *
     * @param headDim the width of a head
     * @return the scale that was set, else {@code 1 / sqrt(headDim)}
     */
    public double softmaxScale(int headDim) {
        return softmaxScale > 0 ? softmaxScale : 1 / Math.sqrt(headDim);
    }

    /**
     * Returns which query heads share an order of the keys.
     *
     * @return the key order
     */
    public KeyOrder keyOrder() {
        return keyOrder;
    }

    /**
     * Returns the number of keys from which on blocks are skipped; a sequence of fewer keys keeps
     * every block.
     *
     * @param type the element type of a call
     * @return the number that was set, else {@value #MIN_LENGTH_BFLOAT16} tokens for bfloat16 and
     *     {@value #MIN_LENGTH} for others
     */
    public int minLength(TorchType type) {
        if (minLength >= 0) {
            return minLength;
        }
        return type == TorchType.BFLOAT16 ? MIN_LENGTH_BFLOAT16 : MIN_LENGTH;
    }

    /**
     * Returns the number of keys that a query sees, its own the last of them: the query at position
     * i sees the keys j with {@code i - window < j <= i}. A sequence of more keys keeps every block
     * that a window reaches, and its keys are not reordered; in shorter ones the window changes
     * nothing.
     *
     * @return tokens; 0 for all up to its own
     */
    public int window() {
        return window;
    }

    /**
     * Returns how the blocks of a sequence lie.
     *
     * @param type the element type of the call
     * @param seqlenQ its number of queries, the last ones of its positions
     * @param seqlenK its number of keys
     * @return the grid
     */
    public BlockGrid grid(TorchType type, int seqlenQ, int seqlenK) {
        return new BlockGrid(seqlenQ, seqlenK, blockSize, segmentSize, minLength(type), window);
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return String.format(
                "blocks of %d, segments of %d, threshold %s, first block %s, scale %s, %s, from %s"
                        + " keys on, window %s",
                blockSize,
                segmentSize,
                threshold,
                forceFirstBlock ? "kept" : "not kept",
                softmaxScale > 0 ? softmaxScale : "default",
                keyOrder,
                minLength >= 0 ? minLength : "default",
                window > 0 ? window : "none");
    }

    /** Builds a {@link PbsConfig}. */
    public static final class Builder {

        private int blockSize = 128;
        private int segmentSize = 256;
        private double threshold = 0.9;
        private boolean forceFirstBlock = true;
        private double softmaxScale;
        private KeyOrder keyOrder = KeyOrder.PER_QUERY_HEAD;
        private int minLength = -1;
        private int window;

        private Builder() {}

        /**
         * Sets the block size.
         *
         * @param blockSize tokens in a block, at least 1
         * @return this builder
         */
        public Builder optBlockSize(int blockSize) {
            this.blockSize = blockSize;
            return this;
        }

        /**
         * Sets the segment size.
         *
         * @param segmentSize tokens in a segment, a multiple of the block size
         * @return this builder
         */
        public Builder optSegmentSize(int segmentSize) {
            this.segmentSize = segmentSize;
            return this;
        }

        /**
         * Sets the share of the block scores' mass to keep.
         *
         * @param threshold 0 (forced blocks only) to 1 (every block)
         * @return this builder
         */
        public Builder optThreshold(double threshold) {
            this.threshold = threshold;
            return this;
        }

        /**
         * Sets the share of the block scores' mass to keep, from text.
         *
         * @param threshold a number from 0 to 1, or {@code all}
         * @return this builder
         * @throws IllegalArgumentException if the text is neither
         */
        public Builder optThreshold(String threshold) {
            if ("all".equals(threshold)) {
                return optThreshold(1);
            }
            return optThreshold(
                    DjlArguments.number("threshold", "a number from 0 to 1 or 'all'", threshold));
        }

        /**
         * Sets whether every row keeps the block that holds token 0, which most rows attend to.
         *
         * @param forceFirstBlock true to keep it
         * @return this builder
         */
        public Builder optForceFirstBlock(boolean forceFirstBlock) {
            this.forceFirstBlock = forceFirstBlock;
            return this;
        }

        /**
         * Sets the factor on the query-key products.
         *
         * @param softmaxScale the scale, above 0
         * @return this builder
         */
        public Builder optSoftmaxScale(double softmaxScale) {
            require(
                    softmaxScale > 0 && Double.isFinite(softmaxScale),
                    "softmaxScale: expected a positive number, found " + softmaxScale);
            this.softmaxScale = softmaxScale;
            return this;
        }

        /**
         * Sets which query heads share an order of the keys.
         *
         * @param keyOrder the key order
         * @return this builder
         */
        public Builder optKeyOrder(KeyOrder keyOrder) {
            this.keyOrder = keyOrder;
            return this;
        }

        /**
         * Sets the number of keys from which on blocks are skipped.
         *
         * @param minLength tokens; 0 to skip blocks of sequences of any length
         * @return this builder
         * @throws IllegalArgumentException if it is negative
         */
        public Builder optMinLength(int minLength) {
            require(minLength >= 0, "minLength: expected at least 0, found " + minLength);
            this.minLength = minLength;
            return this;
        }

        /**
         * Sets what a DJL argument, or a line of {@code serving.properties}, says.
         *
         * @param key one of {@link PbsConfig#argumentNames}
         * @param value the value as text
         * @return false if the key is none of these
         * @throws IllegalArgumentException naming the key and what was expected
         */
        public boolean optArgument(String key, String value) {
            BiConsumer<Builder, String> setter = ARGUMENTS.get(key);
            if (setter == null) {
                return false;
            }
            setter.accept(this, value);
            return true;
        }

        /**
         * Sets the number of keys that a query sees, its own the last of them (sliding window
         * attention).
         *
         * @param window tokens; 0 for all keys up to its own
         * @return this builder
         * @throws IllegalArgumentException if it is negative
         */
        public Builder optWindow(int window) {
            require(window >= 0, "window: expected at least 0, found " + window);
            this.window = window;
            return this;
        }

        /**
         * Builds the configuration.
         *
         * @return the configuration
         * @throws IllegalArgumentException if a value is out of its range
         */
        public PbsConfig build() {
            require(blockSize >= 1, "blockSize: expected at least 1, found " + blockSize);
            require(
                    segmentSize >= blockSize && segmentSize % blockSize == 0,
                    "segmentSize: expected a multiple of blockSize "
                            + blockSize
                            + ", found "
                            + segmentSize);
            require(
                    threshold >= 0 && threshold <= 1,
                    "threshold: expected a number from 0 to 1, found " + threshold);
            require(keyOrder != null, "keyOrder: expected a value, found null");
            return new PbsConfig(this);
        }

        private static void require(boolean holds, String message) {
            if (!holds) {
                throw new IllegalArgumentException(message);
            }
        }
    }
}

package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;

/**
 * The keys and values that a model has seen, of all layers; it grows with use and never beyond what
 * was asked for.
 *
 * <p>Each layer has keys and values (batch, numKvHeads, capacity, headDim) in float32; attention
 * reads views of them.
 */
public final class KvCache implements AutoCloseable {

    private static final int ARRAYS_PER_LAYER = 2;

    private final NDManager manager;
    private final int numLayers;
    private final int batch;
    private final int numKvHeads;
    private final int headDim;
    private final int maxTokens;
    private final NDArray[] arrays;
    private int capacity;
    private int length;

    KvCache(NDManager parent, DecoderConfig config, int batch, int maxTokens) {
        manager = parent.newSubManager();
        numLayers = config.numLayers();
        this.batch = batch;
        numKvHeads = config.numKvHeads();
        headDim = config.headDim();
        this.maxTokens = maxTokens;
        arrays = new NDArray[ARRAYS_PER_LAYER * numLayers];
    }

    /**
     * Returns the number of tokens that the cache holds.
     *
     * @return tokens of each sequence
     */
    public int length() {
        return length;
    }

    /**
     * Returns the number of sequences.
     *
     * @return the batch size
     */
    public int batch() {
        return batch;
    }

    /**
     * Returns the number of tokens that the cache may grow to.
     *
     * @return the limit that was asked for
     */
    public int maxTokens() {
        return maxTokens;
    }

    /**
     * Returns the memory that the cache takes at a length.
     *
     * @param tokens the length
     * @return bytes
     */
    public long bytes(int tokens) {
        return (long) ARRAYS_PER_LAYER
                * numLayers
                * batch
                * numKvHeads
                * headDim
                * tokens
                * Float.BYTES;
    }

    /**
     * Forgets the tokens from a position on.
     *
     * @param tokens the length to keep, at most {@link #length}
     */
    public void trimTo(int tokens) {
        if (tokens < 0 || tokens > length) {
            throw new IllegalArgumentException(
                    "tokens: expected 0 to " + length + ", found " + tokens);
        }
        length = tokens;
    }

    /**
     * Makes room for more tokens.
     *
     * @throws IllegalArgumentException if they would not fit into the limit
     */
    void reserve(int tokens) {
        long needed = (long) length + tokens;
        if (needed > maxTokens) {
            throw new IllegalArgumentException(
                    "context limit: "
                            + needed
                            + " tokens, the limit is "
                            + maxTokens
                            + " (a KV cache of "
                            + bytes(maxTokens)
                            + " bytes)");
        }
        if (needed > capacity) {
            grow((int) Math.min(maxTokens, Math.max(needed, 2L * capacity)));
        }
    }

    private void grow(int newCapacity) {
        for (int i = 0; i < arrays.length; ++i) {
            NDArray old = arrays[i];
            arrays[i] =
                    manager.create(
                            new Shape(batch, numKvHeads, newCapacity, headDim), DataType.FLOAT32);
            if (old != null) {
                arrays[i].set(new NDIndex(":, :, :{}", capacity), old);
                old.close();
            }
        }
        capacity = newCapacity;
    }

    /**
     * Writes keys and values (batch, numKvHeads, rows, headDim) behind the cache's tokens, {@code
     * offset} rows further.
     */
    void write(int layer, int offset, NDArray k, NDArray v) {
        int begin = length + offset;
        NDIndex rows = new NDIndex(":, :, {}:{}", begin, begin + k.getShape().get(2));
        arrays[ARRAYS_PER_LAYER * layer].set(rows, k);
        arrays[ARRAYS_PER_LAYER * layer + 1].set(rows, v);
    }

    /** Counts tokens as held, once every layer has written them. */
    void advance(int tokens) {
        length += tokens;
    }

    /** A view of a layer's first keys, attached to a manager. */
    NDArray keys(NDManager scope, int layer, int tokens) {
        return arrays[ARRAYS_PER_LAYER * layer].get(scope, new NDIndex(":, :, :{}", tokens));
    }

    /** A view of a layer's first values, attached to a manager. */
    NDArray values(NDManager scope, int layer, int tokens) {
        return arrays[ARRAYS_PER_LAYER * layer + 1].get(scope, new NDIndex(":, :, :{}", tokens));
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        manager.close();
    }
}

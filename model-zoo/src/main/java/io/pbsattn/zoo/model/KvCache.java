package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.util.SharedResource;
import java.util.Arrays;

/**
 * The keys and values that a model has seen, of all layers; it grows with use and never beyond what
 * was asked for.
 *
 * <p>Each layer has keys and values (batch, numKvHeads, capacity, headDim); attention reads views
 * of them. Keys are as the layers' attention sees them: rotated to their positions. A layer with a
 * sliding window keeps all of its keys too, and reads those in the window.
 */
public final class KvCache implements AutoCloseable {

    private static final int ARRAYS_PER_LAYER = 2;

    /** Tokens that the cache grows by: it is as large as what it holds, not as the limit. */
    private static final int STEP = 256;

    private final SharedArrays memory;
    private final DecoderConfig config;
    private final int batch;
    private final TorchType type;
    private final int maxTokens;
    private final NDArray[] arrays;
    private final long[][] ids;

    /** Which of the model's rotary tables the keys of each token were rotated by. */
    private int[] keyTables = {};

    private int capacity;
    private int length;

    KvCache(NDManager owner, DecoderConfig config, TorchType type, int batch, int maxTokens) {
        memory = new SharedArrays("the KV cache", owner);
        this.config = config;
        this.batch = batch;
        this.type = type;
        this.maxTokens = maxTokens;
        arrays = new NDArray[ARRAYS_PER_LAYER * config.numLayers()];
        ids = new long[batch][0];
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
     * Returns the number of tokens that there is room for without growing.
     *
     * @return tokens
     */
    public int capacity() {
        return capacity;
    }

    /**
     * Returns the memory that the cache takes at a length.
     *
     * @param tokens the length
     * @return bytes
     */
    public long bytes(int tokens) {
        return batch * bytes(config, type, tokens);
    }

    /** The memory that a sequence of a model takes at a length. */
    static long bytes(DecoderConfig config, TorchType type, int tokens) {
        return (long) ARRAYS_PER_LAYER
                * config.numLayers()
                * config.numKvHeads()
                * config.headDim()
                * tokens
                * type.bytes();
    }

    /** Tells whether it was made for a model that computes in a type. */
    boolean isOf(DecoderConfig model, TorchType computed) {
        return config.equals(model) && type == computed;
    }

    /** To be used by whoever reads or writes keys and values. */
    SharedResource resource() {
        return memory.resource();
    }

    /** Makes an empty cache of the same model, batch and limit, which belongs to a manager. */
    KvCache newEmpty(NDManager scope) {
        return new KvCache(scope, config, type, batch, maxTokens);
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
     * Checks that more tokens fit into the limit.
     *
     * @throws IllegalArgumentException if they do not
     */
    void checkRoom(int tokens) {
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
    }

    /**
     * Makes room for more tokens.
     *
     * @param tokens how many
     * @throws IllegalArgumentException if they would not fit into the limit
     */
    public void reserve(int tokens) {
        checkRoom(tokens);
        long needed = (long) length + tokens;
        if (needed > capacity) {
            int newCapacity = (int) Math.min(maxTokens, (needed + STEP - 1) / STEP * STEP);
            resource().run(() -> grow(newCapacity));
        }
    }

    private void grow(int newCapacity) {
        for (int i = 0; i < arrays.length; ++i) {
            NDArray old = arrays[i];
            arrays[i] =
                    LibTorch.get()
                            .empty(
                                    memory.manager(),
                                    new Shape(
                                            batch,
                                            config.numKvHeads(),
                                            newCapacity,
                                            config.headDim()),
                                    type);
            if (old != null) {
                NDIndex held = new NDIndex(":, :, :{}", length);
                try (NDArray from = old.get(held);
                        NDArray to = arrays[i].get(held)) {
                    LibTorch.get().copy(from, to);
                }
                old.close();
            }
        }
        for (int b = 0; b < batch; ++b) {
            ids[b] = Arrays.copyOf(ids[b], newCapacity);
        }
        keyTables = Arrays.copyOf(keyTables, newCapacity);
        capacity = newCapacity;
    }

    /**
     * The slots (numKvHeads, rows, headDim) for a sequence's keys that follow what the cache holds;
     * a view that a manager owns.
     */
    NDArray newKeys(NDManager scope, int layer, long sequence, int begin, int end) {
        return arrays[ARRAYS_PER_LAYER * layer].get(scope, newRows(sequence, begin, end));
    }

    /** The slots for their values. */
    NDArray newValues(NDManager scope, int layer, long sequence, int begin, int end) {
        return arrays[ARRAYS_PER_LAYER * layer + 1].get(scope, newRows(sequence, begin, end));
    }

    private NDIndex newRows(long sequence, int begin, int end) {
        return new NDIndex("{}, :, {}:{}", sequence, length + begin, length + end);
    }

    /**
     * Counts tokens as held, once every layer has written them.
     *
     * @param more (batch, tokens), flat
     * @param table which of the model's rotary tables their keys were rotated by
     */
    void advance(long[] more, int table) {
        int tokens = more.length / batch;
        for (int b = 0; b < batch; ++b) {
            System.arraycopy(more, b * tokens, ids[b], length, tokens);
        }
        Arrays.fill(keyTables, length, length + tokens, table);
        length += tokens;
    }

    /** Counts the tokens from the first on whose keys were rotated by a rotary table. */
    int rotatedBy(int table) {
        int tokens = 0;
        while (tokens < length && keyTables[tokens] == table) {
            ++tokens;
        }
        return tokens;
    }

    /**
     * Counts the tokens that the first sequence and a prompt begin with in common, keys and all.
     *
     * @param prompt ids
     * @param table which of the model's rotary tables the prompt's keys are to be rotated by
     * @return tokens
     */
    public int sharedTokens(long[] prompt, int table) {
        int different = Arrays.mismatch(ids[0], 0, length, prompt, 0, prompt.length);
        return Math.min(different < 0 ? length : different, rotatedBy(table));
    }

    /**
     * Replaces what the cache holds by the beginning of another cache of the same model and batch.
     *
     * @param other is read
     * @param tokens how many, at most what the other one holds
     * @param room tokens that the cache is to be large enough for, so that it does not grow, and
     *     copy all of it once more, when others follow; at least those
     */
    public void copyFrom(KvCache other, int tokens, int room) {
        length = 0;
        reserve(room);
        other.resource().run(() -> resource().run(() -> copyArrays(other, tokens)));
        for (int b = 0; b < batch && tokens > 0; ++b) {
            System.arraycopy(other.ids[b], 0, ids[b], 0, tokens);
        }
        System.arraycopy(other.keyTables, 0, keyTables, 0, tokens);
        length = tokens;
    }

    private void copyArrays(KvCache other, int tokens) {
        NDIndex held = new NDIndex(":, :, :{}", tokens);
        for (int i = 0; i < arrays.length && tokens > 0; ++i) {
            try (NDArray from = other.arrays[i].get(held);
                    NDArray to = arrays[i].get(held)) {
                LibTorch.get().copy(from, to);
            }
        }
    }

    /** The tokens (batch, length) that the cache holds, int64. */
    NDArray ids(NDManager scope) {
        long[] flat = new long[batch * length];
        for (int b = 0; b < batch; ++b) {
            System.arraycopy(ids[b], 0, flat, b * length, length);
        }
        return scope.create(flat, new Shape(batch, length));
    }

    /**
     * Takes over what another cache of the same model, batch and limit holds, which is left empty.
     */
    void takeOver(KvCache other) {
        for (int i = 0; i < arrays.length; ++i) {
            if (arrays[i] != null) {
                arrays[i].close();
            }
            arrays[i] = other.arrays[i];
            other.arrays[i] = null;
            if (arrays[i] != null) {
                arrays[i].attach(memory.manager());
            }
        }
        System.arraycopy(other.ids, 0, ids, 0, batch);
        capacity = other.capacity;
        length = other.length;
        keyTables = other.keyTables;
        other.capacity = 0;
        other.length = 0;
    }

    /**
     * Returns a view of a layer's keys.
     *
     * @param scope will own the view
     * @param layer 0 to the number of layers - 1
     * @param begin the first token
     * @param end the token after the last
     * @return (batch, numKvHeads, end - begin, headDim)
     */
    public NDArray keys(NDManager scope, int layer, int begin, int end) {
        return arrays[ARRAYS_PER_LAYER * layer].get(scope, new NDIndex(":, :, {}:{}", begin, end));
    }

    /** A view of a layer's values begin..end-1, attached to a manager. */
    NDArray values(NDManager scope, int layer, int begin, int end) {
        return arrays[ARRAYS_PER_LAYER * layer + 1].get(
                scope, new NDIndex(":, :, {}:{}", begin, end));
    }

    /**
     * {@inheritDoc}
     *
     * <p>May be called while a thread computes with the cache: that ends with an exception.
     */
    @Override
    public void close() {
        memory.close();
    }
}

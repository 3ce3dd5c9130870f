package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.torch.LibTorch;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * One token of each of some sequences: a row of each matrix for every sequence, so that weights are
 * read once for all of them. Only attention goes over the sequences one by one: each has a length
 * of its own, and nothing is padded.
 */
final class DecodeStep {

    private final Decoder decoder;
    private final LayerOps ops;
    private final List<KvCache> caches;

    /** The number of sequences. */
    private final int rows;

    /**
     * Constructs a step.
     *
     * @param caches of the model, each with room for a token
     */
    DecodeStep(Decoder decoder, List<KvCache> caches) {
        this.decoder = decoder;
        this.caches = caches;
        ops = decoder.ops();
        rows = caches.stream().mapToInt(KvCache::batch).sum();
    }

    /**
     * Runs the tokens.
     *
     * @param inputIds (sequences, 1) int64, in the order of the caches; known to be ids
     * @return logits (sequences, vocabSize) float32, attached to the manager of the input
     */
    NDArray run(NDArray inputIds) {
        try (NDManager scope = inputIds.getManager().newSubManager()) {
            caches.forEach(cache -> prepare(scope, decoder, cache));
            NDArray hidden = forwardLayers(scope, inputIds.reshape(rows));
            NDArray logits = decoder.weights().logits(scope, ops, hidden);
            advance(inputIds.toLongArray());
            logits.attach(inputIds.getManager());
            return logits;
        }
    }

    /**
     * Makes a cache ready to take a token: what a step does for each cache by itself and may fail
     * to do, for want of memory, without the others' doing. Done before, it is not done again.
     */
    static void prepare(NDManager scope, Decoder decoder, KvCache cache) {
        int length = cache.length() + 1;
        if (decoder.needsNewKeys(cache, length)) {
            new Prefill(decoder, new PrefillOptions()).renewKeys(scope, cache, length);
        }
        cache.reserve(1);
    }

    /** Counts the tokens as held, once nothing can fail any more. */
    private void advance(long[] ids) {
        int row = 0;
        for (KvCache cache : caches) {
            long[] more = Arrays.copyOfRange(ids, row, row + cache.batch());
            cache.advance(more, decoder.rope().keyTable(cache.length() + 1));
            row += cache.batch();
        }
    }

    /** Returns the residual stream (rows, hidden) of ids (rows). */
    private NDArray forwardLayers(NDManager scope, NDArray ids) {
        DecoderConfig config = decoder.config();
        ids.attach(scope);
        NDArray hidden = decoder.weights().embed(scope, ids);
        int[] positions =
                caches.stream()
                        .flatMapToInt(c -> IntStream.generate(c::length).limit(c.batch()))
                        .toArray();
        RotaryEmbedding rotation = RotaryEmbedding.ofLast(scope, decoder.rope(), positions);
        LayerBuffers buffers = LayerBuffers.create(scope, config, ops, rows);
        Shape ofQueries = new Shape(rows, config.qWidth());
        Shape ofKeys = new Shape(config.numKvHeads(), rows, config.headDim());
        NDArray queries = LibTorch.get().empty(scope, ofQueries, ops.type());
        NDArray attended = LibTorch.get().empty(scope, ofQueries, ops.type());
        NDArray keys = LibTorch.get().empty(scope, ofKeys, ops.type());
        NDArray values = LibTorch.get().empty(scope, ofKeys, ops.type());
        for (int l = 0; l < config.numLayers(); ++l) {
            DecoderLayer layer = decoder.weights().layers().get(l);
            layer.project(ops, buffers, rotation, hidden, queries, keys, values);
            int row = 0;
            for (KvCache cache : caches) {
                try (NDManager sequence = scope.newSubManager()) {
                    NDIndex part = new NDIndex("{}:{}", row, row + cache.batch());
                    NDIndex columns = new NDIndex(":, {}:{}", row, row + cache.batch());
                    attend(
                            l,
                            cache,
                            queries.get(sequence, part),
                            keys.get(sequence, columns),
                            values.get(sequence, columns),
                            attended.get(sequence, part));
                }
                row += cache.batch();
            }
            layer.finish(ops, buffers, attended, hidden);
        }
        return hidden;
    }

    /**
     * Attention of the sequences of one cache in a layer.
     *
     * @param queries (batch, numQHeads * headDim)
     * @param keys (numKvHeads, batch, headDim), which follow those that the cache holds
     * @param values shaped as the keys
     * @param attended shaped as the queries, overwritten
     */
    private void attend(
            int layer,
            KvCache cache,
            NDArray queries,
            NDArray keys,
            NDArray values,
            NDArray attended) {
        NDManager scope = queries.getManager();
        int position = cache.length();
        int first = decoder.attentions().get(layer).firstKey(position);
        LibTorch.get().copy(bySequence(keys), cache.keys(scope, layer, position, position + 1));
        LibTorch.get().copy(bySequence(values), cache.values(scope, layer, position, position + 1));
        DecoderConfig config = decoder.config();
        NDArray o =
                ops.attendRow(
                        queries.reshape(cache.batch(), config.numQHeads(), 1, config.headDim()),
                        cache.keys(scope, layer, first, position + 1),
                        cache.values(scope, layer, first, position + 1),
                        config.softmaxScale());
        LibTorch.get().copy(o.reshape(attended.getShape()), attended);
    }

    /** A view (batch, numKvHeads, 1, headDim) of (numKvHeads, batch, headDim). */
    private static NDArray bySequence(NDArray heads) {
        return heads.swapAxes(0, 1).expandDims(2);
    }
}

package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;

/**
 * One prefill. It runs layer by layer over all tokens, or over chunks of them if that was asked
 * for, so that attention sees them all; what surrounds attention runs in chunks of rows, so that
 * memory stays bounded.
 */
public final class Prefill {

    /** Tokens that pass the linear parts of a layer at a time. */
    private static final int LINEAR_CHUNK = 4096;

    private final Decoder decoder;
    private final PrefillOptions options;
    private final TimedLayerOps ops;
    private final PromptAttention attention;

    /** Tokens times layers that have run, and that are to run. */
    private long done;

    private long total;

    Prefill(Decoder decoder, PrefillOptions options) {
        this.decoder = decoder;
        this.options = options;
        ops = new TimedLayerOps(decoder.ops());
        attention =
                new PromptAttention(
                        decoder.ops(), decoder.attentions(), decoder.config().softmaxScale());
    }

    /**
     * Runs tokens that follow what a cache holds.
     *
     * @param inputIds (batch, tokens) int64, known to be ids and to fit into the cache
     * @param cache grows by the tokens, after each chunk of them
     * @return the logits of the positions that the options name
     */
    PrefillResult run(NDArray inputIds, KvCache cache) {
        long start = System.nanoTime();
        int tokens = (int) inputIds.getShape().get(1);
        int[] positions = options.logitPositions(tokens);
        int length = cache.length() + tokens;
        boolean needsNewKeys = decoder.needsNewKeys(cache, length);
        total =
                (long) decoder.config().numLayers()
                        * (tokens + (needsNewKeys ? cache.length() : 0));
        try (NDManager scope = inputIds.getManager().newSubManager()) {
            if (needsNewKeys) {
                renewKeys(scope, cache, length);
            }
            cache.reserve(tokens);
            NDList rows = extend(scope, inputIds, cache, length, positions);
            NDArray hidden = rows.size() == 1 ? rows.get(0) : NDArrays.concat(rows, 1);
            Shape shape = hidden.getShape();
            NDArray flat = hidden.reshape(-1, shape.get(2));
            NDArray logits =
                    decoder.weights()
                            .logits(scope, ops, flat)
                            .reshape(shape.get(0), shape.get(1), decoder.config().vocabSize());
            logits.attach(inputIds.getManager());
            return new PrefillResult(
                    logits, attention.report(), ops.seconds(), (System.nanoTime() - start) / 1e9);
        }
    }

    /**
     * Runs what a cache holds again, for keys that are rotated as those of a sequence of a length.
     * If that fails the cache is as it was.
     */
    void renewKeys(NDManager scope, KvCache cache, int length) {
        try (KvCache fresh = cache.newEmpty(scope);
                NDArray ids = cache.ids(scope)) {
            fresh.reserve(Math.max(length, cache.capacity()));
            extend(scope, ids, fresh, length);
            cache.takeOver(fresh);
        }
    }

    /**
     * Runs tokens of sequences that will have a length, and returns the residual stream (batch, 1,
     * hidden) of some of their positions.
     */
    private NDList extend(
            NDManager scope, NDArray inputIds, KvCache cache, int length, int... positions) {
        int tokens = (int) inputIds.getShape().get(1);
        NDList rows = new NDList();
        for (int begin = 0; begin < tokens; ) {
            int end = (int) Math.min(tokens, (long) begin + options.chunkTokens());
            NDArray ids = inputIds.get(scope, new NDIndex(":, {}:{}", begin, end));
            try (NDManager chunk = scope.newSubManager()) {
                NDArray hidden = forwardLayers(chunk, ids, cache, length);
                for (int position : positions) {
                    if (position >= begin && position < end) {
                        int row = position - begin;
                        // A view that outlived the chunk would keep all of its rows in memory.
                        NDArray copy =
                                hidden.get(new NDIndex(":, {}:{}", row, row + 1)).duplicate();
                        copy.attach(scope);
                        rows.add(copy);
                    }
                }
            }
            begin = end;
        }
        return rows;
    }

    /**
     * Runs all layers over some tokens (batch, rows) of a sequence that will have a length, and
     * returns the residual stream (batch, rows, hidden), float32 whatever the model computes in.
     */
    private NDArray forwardLayers(NDManager scope, NDArray ids, KvCache cache, int length) {
        DecoderConfig config = decoder.config();
        long batch = ids.getShape().get(0);
        int rows = (int) ids.getShape().get(1);
        int first = cache.length();
        RotaryEmbedding rotation =
                RotaryEmbedding.of(scope, decoder.rope(), length, first, first + rows);
        NDArray hidden = decoder.weights().embed(scope, ids);
        NDArray queries = emptyQueries(scope, batch, rows);
        LayerBuffers buffers =
                LayerBuffers.create(scope, config, ops, Math.min(rows, LINEAR_CHUNK));
        for (int l = 0; l < config.numLayers(); ++l) {
            decoder.memory().resource().requireOpen();
            cache.resource().requireOpen();
            try (NDManager layerScope = scope.newSubManager()) {
                forwardLayer(layerScope, buffers, l, hidden, queries, rotation, cache);
            }
            done += rows;
            options.listener().onProgress(done, total);
        }
        cache.advance(ids.toLongArray(), decoder.rope().keyTable(length));
        return hidden;
    }

    /**
     * Room for queries (batch, rows, numQHeads * headDim) as the linear layer after attention reads
     * them fastest; without space between rows where each head's queries have a norm, which sees
     * them as rows of one matrix.
     */
    private NDArray emptyQueries(NDManager scope, long batch, long rows) {
        DecoderConfig config = decoder.config();
        Shape shape = new Shape(batch, rows, config.qWidth());
        if (config.projections().qkNorm()) {
            return LibTorch.get().empty(scope, shape, ops.type());
        }
        return ops.empty(scope, batch * rows, config.qWidth()).reshape(shape);
    }

    /**
     * One layer: project all rows, attend over the whole, which overwrites the queries where it
     * can, and add both results to the residual stream in place.
     */
    private void forwardLayer(
            NDManager scope,
            LayerBuffers buffers,
            int l,
            NDArray hidden,
            NDArray queries,
            RotaryEmbedding rotation,
            KvCache cache) {
        DecoderLayer layer = decoder.weights().layers().get(l);
        long batch = hidden.getShape().get(0);
        int rows = (int) hidden.getShape().get(1);
        forChunks(
                scope,
                batch,
                rows,
                (chunk, b, begin, end) ->
                        layer.project(
                                ops,
                                buffers.first(chunk, end - begin),
                                rotation.rows(chunk, begin, end),
                                hidden.get(chunk, rowsOf(b, begin, end)),
                                queries.get(chunk, rowsOf(b, begin, end)),
                                cache.newKeys(chunk, l, b, begin, end),
                                cache.newValues(chunk, l, b, begin, end)));
        int seen = cache.length() + rows;
        int first = decoder.attentions().get(l).firstKey(cache.length());
        NDArray q = heads(scope, queries);
        NDArray k = cache.keys(scope, l, first, seen);
        NDArray v = cache.values(scope, l, first, seen);
        NDArray attended = attention.forward(l, q, k, v);
        NDArray rowsOfHeads = attended.swapAxes(1, 2).reshape(queries.getShape());
        forChunks(
                scope,
                batch,
                rows,
                (chunk, b, begin, end) ->
                        layer.finish(
                                ops,
                                buffers.first(chunk, end - begin),
                                rowsOfHeads.get(chunk, rowsOf(b, begin, end)),
                                hidden.get(chunk, rowsOf(b, begin, end))));
    }

    /**
     * A view (batch, numQHeads, rows, headDim) of queries (batch, rows, numQHeads * headDim); what
     * attention makes of it belongs to its manager.
     */
    private NDArray heads(NDManager scope, NDArray queries) {
        DecoderConfig config = decoder.config();
        Shape shape = queries.getShape();
        try (NDArray split =
                queries.reshape(shape.get(0), shape.get(1), config.numQHeads(), config.headDim())) {
            NDArray heads = split.swapAxes(1, 2);
            heads.attach(scope);
            return heads;
        }
    }

    /** Runs over the sequences of a batch in chunks of rows, with a manager for each chunk. */
    private static void forChunks(NDManager scope, long batch, int rows, ChunkWork work) {
        for (long b = 0; b < batch; ++b) {
            for (int begin = 0; begin < rows; begin += LINEAR_CHUNK) {
                try (NDManager chunk = scope.newSubManager()) {
                    work.run(chunk, b, begin, Math.min(begin + LINEAR_CHUNK, rows));
                }
            }
        }
    }

    /** What is done with the rows begin..end-1 of a sequence. */
    private interface ChunkWork {
        void run(NDManager chunk, long sequence, int begin, int end);
    }

    private static NDIndex rowsOf(long sequence, int begin, int end) {
        return new NDIndex("{}, {}:{}", sequence, begin, end);
    }
}

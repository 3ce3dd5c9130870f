package io.pbsattn.zoo;

import ai.djl.inference.streaming.StreamingBlock;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.layer.Linear;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;

/**
 * A decoder-only language model as a DJL block: embedding, layers, norm, output layer. Its prefill
 * runs layer by layer over the whole prompt, so that attention sees all of it; what surrounds
 * attention runs in chunks of tokens, so that memory stays bounded.
 *
 * <p>As a block it takes input ids (batch, tokens) int64 and gives the logits of the last position
 * (batch, vocabSize); with a second input, the number of tokens to generate (a scalar), it gives
 * the generated ids (1, generated) instead, and as a streaming block one by one, chosen as the
 * model's {@code generation_config.json} says. Instances may be used from several threads, each
 * with its own cache.
 */
public final class CausalLm extends AbstractBlock implements StreamingBlock {

    private static final byte VERSION = 1;

    private static final String REFERENCE = "reference";

    /** Tokens that pass the linear parts of a layer at a time. */
    private static final int LINEAR_CHUNK = 2048;

    private final DecoderConfig config;
    private final GenerationConfig generationConfig;
    private final NDArray embedding;
    private final List<DecoderLayer> layers;
    private final RmsNorm norm;
    private final Linear output;
    private final LayerOps ops;
    private final int contextLimit;
    private final AttentionKind kind;
    private final PbsAttention prefillAttention;
    private final float[] inverseFrequencies;

    CausalLm(
            DecoderConfig config,
            GenerationConfig generationConfig,
            CausalLmWeights weights,
            float[] inverseFrequencies,
            LayerOps ops,
            ModelOptions options) {
        super(VERSION);
        this.config = config;
        this.generationConfig = generationConfig;
        this.ops = ops;
        kind = options.attention();
        contextLimit = Math.min(options.contextLimit(), config.maxPositions());
        prefillAttention = prefillAttention(options, ops.type());
        embedding = weights.embedding();
        layers = weights.layers();
        norm = weights.norm();
        output = weights.output();
        this.inverseFrequencies = inverseFrequencies;
    }

    /**
     * Loads a model from a Hugging Face folder.
     *
     * @param folder holds config.json and safetensors files
     * @param options how it is to be run
     * @param manager a manager of the PyTorch engine, which will own the weights
     * @return the model
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if the folder does not hold a supported model; names file and key
     *     or tensor
     * @throws IllegalStateException if the forced backend cannot run here
     */
    public static CausalLm load(Path folder, ModelOptions options, NDManager manager)
            throws IOException, CheckpointException {
        DecoderConfig config = DecoderConfig.read(folder);
        GenerationConfig generation = GenerationConfig.read(folder);
        LayerOps ops =
                LayerOps.of(
                        options.dtype() == null
                                ? LayerOps.bestType(config.storedType())
                                : options.dtype());
        CausalLmWeights weights =
                CausalLmWeights.read(Checkpoint.open(folder), config, ops.type(), manager);
        float[] frequencies = config.rope().inverseFrequencies(config.headDim());
        if (options.roundedFrequencies()) {
            frequencies = rounded(frequencies, config.storedType(), manager);
        }
        return new CausalLm(config, generation, weights, frequencies, ops, options);
    }

    /**
     * Returns the longest sequence that the model was made for.
     *
     * @return tokens
     */
    public int maxPositions() {
        return config.maxPositions();
    }

    /**
     * Returns the most tokens of a sequence: {@link #maxPositions}, or less if that was asked for.
     *
     * @return tokens, prompt and answer together
     */
    public int contextLimit() {
        return contextLimit;
    }

    /**
     * Returns the number of tokens that the model knows.
     *
     * @return the vocabulary's size
     */
    public int vocabSize() {
        return config.vocabSize();
    }

    /**
     * Returns what the model's folder says about generation.
     *
     * @return the configuration
     */
    public GenerationConfig generationConfig() {
        return generationConfig;
    }

    /**
     * Returns the attention of the prefill.
     *
     * @return the kind
     */
    public AttentionKind attention() {
        return kind;
    }

    /**
     * Returns the backend of the prefill's attention.
     *
     * @return its name; {@code pytorch} for dense attention where no kernels are to be had
     */
    public String backendName() {
        return prefillAttention == null ? "pytorch" : prefillAttention.backendName();
    }

    /**
     * Returns the type that the model computes in.
     *
     * @return float32 or bfloat16
     */
    public TorchType dtype() {
        return ops.type();
    }

    /**
     * Makes an empty cache.
     *
     * @param manager will own the cache
     * @param batch the number of sequences
     * @param maxTokens the length that it may grow to
     * @return the cache
     * @throws IllegalArgumentException if the length is beyond the context limit
     */
    public KvCache newCache(NDManager manager, int batch, int maxTokens) {
        if (maxTokens < 1 || maxTokens > contextLimit) {
            throw new IllegalArgumentException(
                    "context limit: "
                            + maxTokens
                            + " tokens, the model takes 1 to "
                            + contextLimit);
        }
        return new KvCache(manager, config, ops.type(), batch, maxTokens);
    }

    /**
     * Runs a prompt, or the next part of one, through the model.
     *
     * @param inputIds (batch, tokens) int64; they follow what the cache holds
     * @param cache grows by the tokens; if the prefill fails it holds what it held before, or whole
     *     chunks more
     * @param options how to go about it
     * @return the logits of the positions that were asked for
     * @throws IllegalArgumentException if an id is unknown, there is no token, or the cache's limit
     *     is exceeded
     */
    public PrefillResult prefill(NDArray inputIds, KvCache cache, PrefillOptions options) {
        long start = System.nanoTime();
        int tokens = checkIds(inputIds, cache);
        int[] positions = options.logitPositions(tokens);
        cache.reserve(tokens);
        PromptAttention attention = new PromptAttention(ops, prefillAttention, config.headDim());
        TimedLayerOps timed = new TimedLayerOps(ops);
        Progress progress = new Progress(options.listener(), (long) tokens * layers.size());
        try (NDManager scope = inputIds.getManager().newSubManager()) {
            NDList rows = new NDList();
            for (int begin = 0; begin < tokens; ) {
                int end = (int) Math.min(tokens, (long) begin + options.chunkTokens());
                NDArray ids = inputIds.get(scope, new NDIndex(":, {}:{}", begin, end));
                try (NDManager chunk = scope.newSubManager()) {
                    NDArray hidden = forwardLayers(chunk, timed, ids, cache, attention, progress);
                    for (int position : positions) {
                        if (position >= begin && position < end) {
                            int row = position - begin;
                            rows.add(
                                    hidden.get(scope, new NDIndex(":, {}:{}", row, row + 1))
                                            .duplicate());
                        }
                    }
                }
                begin = end;
            }
            NDArray hidden = rows.size() == 1 ? rows.get(0) : NDArrays.concat(rows, 1);
            NDArray logits = logits(scope, timed, hidden);
            logits.attach(inputIds.getManager());
            return new PrefillResult(
                    logits, attention.report(), timed.seconds(), (System.nanoTime() - start) / 1e9);
        }
    }

    /**
     * Runs one token of each sequence through the model.
     *
     * @param inputIds (batch, 1) int64
     * @param cache grows by one token
     * @return logits (batch, vocabSize), attached to the manager of the input
     */
    public NDArray decode(NDArray inputIds, KvCache cache) {
        NDArray logits = prefill(inputIds, cache, new PrefillOptions()).logits();
        NDArray last = logits.squeeze(1);
        logits.close();
        return last;
    }

    /** {@inheritDoc} */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        if (training) {
            throw new UnsupportedOperationException("CausalLm has no gradients: inference only");
        }
        NDArray ids = inputs.get(0);
        NDManager manager = ids.getManager();
        if (inputs.size() > 1 || inputs instanceof TextPrompt) {
            try (TokenStream tokens = answer(inputs)) {
                if (inputs instanceof TextPrompt prompt) {
                    prompt.generation().result();
                }
                long[] answer = tokens.rest();
                return new NDList(manager.create(answer, new Shape(1, answer.length)));
            }
        }
        try (KvCache cache =
                newCache(manager, Math.toIntExact(ids.getShape().get(0)), checkedLength(ids))) {
            PrefillResult result = prefill(ids, cache, new PrefillOptions());
            return new NDList(result.logits().squeeze(1));
        }
    }

    /**
     * {@inheritDoc}
     *
     * <p>Each list holds one generated id (1, 1), computed when it is asked for.
     */
    @Override
    public Iterator<NDList> forwardStreamIter(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        return forwardStream(parameterStore, inputs, training, params).iterator();
    }

    /**
     * {@inheritDoc}
     *
     * <p>Each list holds one generated id (1, 1), computed when it is asked for; closing the stream
     * ends the generation.
     */
    @Override
    public Stream<NDList> forwardStream(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        return answer(inputs).lists(inputs.getManager());
    }

    /** Begins to continue a prompt of ids (1, tokens). */
    private TokenStream answer(NDList inputs) {
        if (inputs instanceof TextPrompt prompt) {
            return prompt.start(this).tokens();
        }
        NDArray ids = inputs.get(0);
        checkedLength(ids);
        if (ids.getShape().get(0) != 1) {
            throw new IllegalArgumentException(
                    "inputIds: one sequence is continued at a time, found " + ids.getShape());
        }
        GenerationOptions options = new GenerationOptions();
        if (inputs.size() > 1) {
            options.optMaxNewTokens(Math.toIntExact(inputs.get(1).toLongArray()[0]));
        }
        return TokenGenerator.once(this, ids.getManager(), ids.toLongArray(), options);
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return new Shape[] {new Shape(inputShapes[0].get(0), config.vocabSize())};
    }

    /**
     * Runs all layers over some tokens (batch, rows) and returns the residual stream (batch, rows,
     * hidden), float32 whatever the model computes in.
     */
    private NDArray forwardLayers(
            NDManager scope,
            LayerOps layerOps,
            NDArray ids,
            KvCache cache,
            PromptAttention attention,
            Progress progress) {
        int rows = (int) ids.getShape().get(1);
        int first = cache.length();
        RotaryEmbedding rope = RotaryEmbedding.of(scope, inverseFrequencies, first, first + rows);
        NDArray hidden = embed(scope, ids);
        long batch = ids.getShape().get(0);
        int qWidth = config.numQHeads() * config.headDim();
        NDArray queries =
                LibTorch.get().empty(scope, new Shape(batch, rows, qWidth), layerOps.type());
        Workspace space =
                Workspace.create(scope, config, layerOps.type(), Math.min(rows, LINEAR_CHUNK));
        for (int l = 0; l < layers.size(); ++l) {
            try (NDManager layerScope = scope.newSubManager()) {
                forwardLayer(
                        layerScope, layerOps, space, l, hidden, queries, rope, cache, attention);
            }
            progress.add(rows);
        }
        cache.advance(rows);
        return hidden;
    }

    /** The embeddings (batch, rows, hidden) of ids (batch, rows), in float32. */
    private NDArray embed(NDManager scope, NDArray ids) {
        NDArray stored =
                LibTorch.get()
                        .call(scope, "aten::embedding", "", 1, embedding, ids, -1L, false, false)[
                        0];
        return stored.getDataType() == DataType.FLOAT32
                ? stored
                : LibTorch.get().toType(scope, stored, TorchType.FLOAT32);
    }

    /**
     * One layer: project all rows, attend over the whole, and add both results to the residual
     * stream in place.
     */
    private void forwardLayer(
            NDManager scope,
            LayerOps layerOps,
            Workspace workspace,
            int l,
            NDArray hidden,
            NDArray queries,
            RotaryEmbedding rope,
            KvCache cache,
            PromptAttention attention) {
        DecoderLayer layer = layers.get(l);
        long batch = hidden.getShape().get(0);
        int rows = (int) hidden.getShape().get(1);
        forChunks(
                scope,
                batch,
                rows,
                (chunk, b, begin, end) -> {
                    NDArray residual = hidden.get(chunk, rowsOf(b, begin, end));
                    Workspace space = workspace.first(chunk, end - begin);
                    layer.attentionNorm().apply(layerOps, residual, space.rows());
                    layer.attention()
                            .project(
                                    layerOps,
                                    space,
                                    rope.rows(chunk, begin, end),
                                    queries.get(chunk, rowsOf(b, begin, end)),
                                    cache.newKeys(chunk, l, b, begin, end),
                                    cache.newValues(chunk, l, b, begin, end));
                });
        int seen = cache.length() + rows;
        NDArray q = heads(scope, queries);
        NDArray attended =
                attention.forward(q, cache.keys(scope, l, seen), cache.values(scope, l, seen));
        NDArray rowsOfHeads = attended.swapAxes(1, 2).reshape(queries.getShape());
        forChunks(
                scope,
                batch,
                rows,
                (chunk, b, begin, end) -> {
                    NDArray residual = hidden.get(chunk, rowsOf(b, begin, end));
                    layerOps.addLinear(
                            rowsOfHeads.get(chunk, rowsOf(b, begin, end)),
                            layer.attention().o(),
                            residual);
                    Workspace space = workspace.first(chunk, end - begin);
                    layer.mlpNorm().apply(layerOps, residual, space.rows());
                    layer.mlp().addTo(layerOps, space.rows(), space.wide(), residual);
                });
    }

    /**
     * A view (batch, numQHeads, rows, headDim) of queries (batch, rows, numQHeads * headDim); what
     * attention makes of it belongs to its manager.
     */
    private NDArray heads(NDManager scope, NDArray queries) {
        Shape shape = queries.getShape();
        try (NDArray split =
                queries.reshape(shape.get(0), shape.get(1), config.numQHeads(), config.headDim())) {
            NDArray heads = split.swapAxes(1, 2);
            heads.attach(scope);
            return heads;
        }
    }

    /** Logits (batch, rows, vocabSize) float32 of residual rows (batch, rows, hidden). */
    private NDArray logits(NDManager scope, LayerOps layerOps, NDArray hidden) {
        Shape shape = hidden.getShape();
        NDArray residual = hidden.reshape(-1, config.hiddenSize());
        NDArray x = LibTorch.get().empty(scope, residual.getShape(), layerOps.type());
        norm.apply(layerOps, residual, x);
        Shape flat = new Shape(x.getShape().get(0), config.vocabSize());
        NDArray logits = LibTorch.get().empty(scope, flat, TorchType.FLOAT32);
        layerOps.linear(x, List.of(output), List.of(logits));
        return logits.reshape(shape.get(0), shape.get(1), config.vocabSize());
    }

    /**
     * The operator of the prefill: sparse, or the same kernels with every block kept; null where
     * dense attention is better left to PyTorch.
     */
    private static PbsAttention prefillAttention(ModelOptions options, TorchType type) {
        boolean isDense = options.attention() == AttentionKind.DENSE;
        PbsConfig settings = isDense ? PbsConfig.DENSE : options.pbsConfig();
        PbsAttention attention =
                options.backend() == null
                        ? PbsAttention.create(settings)
                        : PbsAttention.create(settings, options.backend());
        boolean canUsePyTorch = type == TorchType.FLOAT32;
        boolean hasKernels = !REFERENCE.equals(attention.backendName());
        return isDense && canUsePyTorch && !hasKernels ? null : attention;
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

    private static float[] rounded(float[] values, TorchType type, NDManager manager) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray stored = LibTorch.get().toType(scope, scope.create(values), type);
            return LibTorch.get().toType(scope, stored, TorchType.FLOAT32).toFloatArray();
        }
    }

    private static NDIndex rowsOf(long sequence, int begin, int end) {
        return new NDIndex("{}, {}:{}", sequence, begin, end);
    }

    private int checkIds(NDArray inputIds, KvCache cache) {
        int tokens = checkedLength(inputIds);
        if (inputIds.getShape().get(0) != cache.batch()) {
            throw new IllegalArgumentException(
                    "inputIds: expected batch "
                            + cache.batch()
                            + " as in the cache, found "
                            + inputIds.getShape().get(0));
        }
        long[] ids = inputIds.toLongArray();
        for (int i = 0; i < ids.length; ++i) {
            if (ids[i] < 0 || ids[i] >= config.vocabSize()) {
                throw new IllegalArgumentException(
                        "inputIds: expected 0 to "
                                + (config.vocabSize() - 1)
                                + ", found "
                                + ids[i]
                                + " at position "
                                + i % tokens
                                + " of sequence "
                                + i / tokens);
            }
        }
        return tokens;
    }

    private static int checkedLength(NDArray inputIds) {
        Shape shape = inputIds.getShape();
        if (inputIds.getDataType() != DataType.INT64
                || shape.dimension() != 2
                || shape.size() == 0) {
            throw new IllegalArgumentException(
                    "inputIds: expected int64 (batch, tokens) with at least one token, found "
                            + inputIds.getDataType()
                            + " "
                            + shape);
        }
        return Math.toIntExact(shape.get(1));
    }

    /** Counts tokens times layers. */
    private static final class Progress {

        private final ProgressListener listener;
        private final long total;
        private long done;

        Progress(ProgressListener listener, long total) {
            this.listener = listener;
            this.total = total;
        }

        void add(long more) {
            done += more;
            listener.onProgress(done, total);
        }
    }
}

package io.pbsattn.zoo;

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
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A decoder-only language model as a DJL block: embedding, layers, norm, output layer. Its prefill
 * runs layer by layer over the whole prompt, so that attention sees all of it; what surrounds
 * attention runs in chunks of tokens, so that memory stays bounded.
 *
 * <p>As a block it takes input ids (batch, tokens) int64 and gives the logits of the last position
 * (batch, vocabSize); with a second input, the number of tokens to generate (a scalar), it gives
 * the generated ids (1, generated) instead. Instances may be used from several threads, each with
 * its own cache.
 */
public final class CausalLm extends AbstractBlock {

    private static final byte VERSION = 1;

    /** Tokens that pass the linear parts of a layer at a time. */
    private static final int LINEAR_CHUNK = 1024;

    private final DecoderConfig config;
    private final GenerationConfig generationConfig;
    private final NDArray embedding;
    private final List<DecoderLayer> layers;
    private final RmsNorm norm;
    private final Linear output;
    private final PbsAttention sparse;
    private final float[] inverseFrequencies;

    CausalLm(
            DecoderConfig config,
            GenerationConfig generationConfig,
            CausalLmWeights weights,
            float[] inverseFrequencies,
            PbsAttention sparse) {
        super(VERSION);
        this.config = config;
        this.generationConfig = generationConfig;
        this.sparse = sparse;
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
        PbsAttention sparse = null;
        if (options.attention() == AttentionKind.PBS) {
            sparse =
                    options.backend() == null
                            ? PbsAttention.create(options.pbsConfig())
                            : PbsAttention.create(options.pbsConfig(), options.backend());
        }
        CausalLmWeights weights = CausalLmWeights.read(Checkpoint.open(folder), config, manager);
        float[] frequencies = config.rope().inverseFrequencies(config.headDim());
        if (options.roundedFrequencies()) {
            frequencies = rounded(frequencies, config.storedType(), manager);
        }
        return new CausalLm(config, generation, weights, frequencies, sparse);
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
        return sparse == null ? AttentionKind.DENSE : AttentionKind.PBS;
    }

    /**
     * Returns the backend of sparse attention.
     *
     * @return its name; {@code pytorch} where attention is dense
     */
    public String backendName() {
        return sparse == null ? "pytorch" : sparse.backendName();
    }

    /**
     * Makes an empty cache.
     *
     * @param manager will own the cache
     * @param batch the number of sequences
     * @param maxTokens the length that it may grow to
     * @return the cache
     * @throws IllegalArgumentException if the length is beyond what the model was made for
     */
    public KvCache newCache(NDManager manager, int batch, int maxTokens) {
        if (maxTokens < 1 || maxTokens > config.maxPositions()) {
            throw new IllegalArgumentException(
                    "context limit: "
                            + maxTokens
                            + " tokens, the model takes 1 to "
                            + config.maxPositions());
        }
        return new KvCache(manager, config, batch, maxTokens);
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
        PromptAttention attention = new PromptAttention(sparse, config.headDim());
        Progress progress = new Progress(options.listener(), (long) tokens * layers.size());
        try (NDManager scope = inputIds.getManager().newSubManager()) {
            NDList rows = new NDList();
            for (int begin = 0; begin < tokens; ) {
                int end = (int) Math.min(tokens, (long) begin + options.chunkTokens());
                NDArray ids = inputIds.get(scope, new NDIndex(":, {}:{}", begin, end));
                try (NDManager chunk = scope.newSubManager()) {
                    NDArray hidden = forwardLayers(chunk, ids, cache, attention, progress);
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
            NDArray logits = logits(rows.size() == 1 ? rows.get(0) : NDArrays.concat(rows, 1));
            logits.attach(inputIds.getManager());
            return new PrefillResult(logits, attention.report(), (System.nanoTime() - start) / 1e9);
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
        if (inputs.size() > 1) {
            int maxNewTokens = (int) inputs.get(1).toLongArray()[0];
            try (TokenGenerator generator = new TokenGenerator(this, manager)) {
                GeneratedTokens generated =
                        generator.generate(ids.toLongArray(), maxNewTokens, new PrefillOptions());
                return new NDList(
                        manager.create(generated.ids(), new Shape(1, generated.ids().length)));
            }
        }
        try (KvCache cache =
                newCache(manager, Math.toIntExact(ids.getShape().get(0)), checkedLength(ids))) {
            PrefillResult result = prefill(ids, cache, new PrefillOptions());
            return new NDList(result.logits().squeeze(1));
        }
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return new Shape[] {new Shape(inputShapes[0].get(0), config.vocabSize())};
    }

    /**
     * Runs all layers over some tokens (batch, rows) and returns the residual stream (batch, rows,
     * hidden).
     */
    private NDArray forwardLayers(
            NDManager scope,
            NDArray ids,
            KvCache cache,
            PromptAttention attention,
            Progress progress) {
        long batch = ids.getShape().get(0);
        int rows = (int) ids.getShape().get(1);
        int first = cache.length();
        RotaryEmbedding rope = RotaryEmbedding.of(scope, inverseFrequencies, first, first + rows);
        NDArray hidden =
                embedding
                        .get(scope, new NDIndex("{}", ids.flatten()))
                        .reshape(batch, rows, config.hiddenSize());
        for (int l = 0; l < layers.size(); ++l) {
            try (NDManager layerScope = scope.newSubManager()) {
                forwardLayer(layerScope, l, hidden, rope, cache, attention);
            }
            progress.add(rows);
        }
        cache.advance(rows);
        return hidden;
    }

    /**
     * One layer: project all rows, attend over the whole, and add both results to the residual
     * stream in place.
     */
    private void forwardLayer(
            NDManager scope,
            int l,
            NDArray hidden,
            RotaryEmbedding rope,
            KvCache cache,
            PromptAttention attention) {
        DecoderLayer layer = layers.get(l);
        long batch = hidden.getShape().get(0);
        int rows = (int) hidden.getShape().get(1);
        NDArray q =
                scope.create(
                        new Shape(batch, config.numQHeads(), rows, config.headDim()),
                        DataType.FLOAT32);
        for (int begin = 0; begin < rows; begin += LINEAR_CHUNK) {
            int end = Math.min(begin + LINEAR_CHUNK, rows);
            try (NDManager chunk = scope.newSubManager()) {
                NDArray x = layer.attentionNorm().apply(hidden.get(chunk, tokenRows(begin, end)));
                q.set(headRows(begin, end), layer.attention().queries(x, rope, begin));
                cache.write(
                        l,
                        begin,
                        layer.attention().keys(x, rope, begin),
                        layer.attention().values(x));
            }
        }
        int seen = cache.length() + rows;
        NDArray attended =
                attention.forward(q, cache.keys(scope, l, seen), cache.values(scope, l, seen));
        for (int begin = 0; begin < rows; begin += LINEAR_CHUNK) {
            int end = Math.min(begin + LINEAR_CHUNK, rows);
            try (NDManager chunk = scope.newSubManager()) {
                NDArray residual = hidden.get(chunk, tokenRows(begin, end));
                residual.addi(layer.attention().output(attended.get(chunk, headRows(begin, end))));
                residual.addi(layer.mlp().apply(layer.mlpNorm().apply(residual)));
            }
        }
    }

    /** Logits (batch, rows, vocabSize) of residual rows (batch, rows, hidden). */
    private NDArray logits(NDArray hidden) {
        return output.apply(norm.apply(hidden));
    }

    private static float[] rounded(float[] values, TorchType type, NDManager manager) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray stored = LibTorch.get().toType(scope, scope.create(values), type);
            return LibTorch.get().toType(scope, stored, TorchType.FLOAT32).toFloatArray();
        }
    }

    private static NDIndex tokenRows(int begin, int end) {
        return new NDIndex(":, {}:{}", begin, end);
    }

    private static NDIndex headRows(int begin, int end) {
        return new NDIndex(":, :, {}:{}", begin, end);
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

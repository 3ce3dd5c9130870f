package io.pbsattn.zoo.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PbsConfig;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.util.SharedResource;
import io.pbsattn.zoo.checkpoint.Checkpoint;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * A decoder-only language model: embedding, layers, norm, output layer. It takes ids and gives
 * logits. Its prefill runs layer by layer over the whole prompt, so that attention sees all of it;
 * what surrounds attention runs in chunks of tokens, so that memory stays bounded. Instances may be
 * used from several threads, each with its own cache.
 *
 * <p>Prompts are prefilled one by one; {@link #decode(NDArray, List)} runs a token of each of
 * several sequences at once.
 */
public final class CausalLm {

    private final DecoderConfig config;
    private final Decoder decoder;
    private final int contextLimit;
    private final int maxBatch;
    private final AttentionKind kind;

    CausalLm(
            DecoderConfig config,
            CausalLmWeights weights,
            RopeConfig rope,
            LayerOps ops,
            SharedArrays memory,
            ModelOptions options) {
        this.config = config;
        decoder =
                new Decoder(
                        config,
                        weights,
                        rope,
                        ops,
                        LayerAttention.ofLayers(config, options),
                        memory);
        kind = options.attention();
        contextLimit = Math.min(options.contextLimit(), config.maxPositions());
        maxBatch = options.maxBatch();
    }

    /**
     * Loads a model from a Hugging Face folder.
     *
     * @param folder holds config.json and safetensors files
     * @param options how it is to be run
     * @param manager a manager of the PyTorch engine on the CPU, which will own the weights.
     *     Closing it while threads use the model ends their calls by an exception
     * @return the model
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if the folder does not hold a supported model; names file and key
     *     or tensor
     * @throws IllegalStateException if the forced backend cannot run here
     * @throws IllegalArgumentException if the manager is on another device
     */
    public static CausalLm load(Path folder, ModelOptions options, NDManager manager)
            throws IOException, CheckpointException {
        requireCpu(manager.getDevice());
        DecoderConfig config = DecoderConfig.read(folder);
        LayerOps ops =
                LayerOps.of(
                        options.dtype() == null
                                ? LayerOps.bestType(config.storedType())
                                : options.dtype());
        RopeConfig rope =
                options.roundedFrequencies()
                        ? config.rope().rounded(values -> rounded(values, config.storedType()))
                        : config.rope();
        SharedArrays memory = new SharedArrays("the model", manager);
        try {
            CausalLmWeights weights =
                    CausalLmWeights.read(
                            Checkpoint.open(folder), config, ops.type(), memory.manager());
            return new CausalLm(config, weights, rope, ops, memory, options);
        } catch (IOException | CheckpointException | RuntimeException | Error e) {
            memory.close();
            throw e;
        }
    }

    private static void requireCpu(Device device) {
        if (!device.equals(Device.cpu())) {
            throw new IllegalArgumentException(
                    "device: models run on the CPU, found "
                            + device
                            + "; load the model with optDevice(Device.cpu()), or on a manager of"
                            + " NDManager.newBaseManager(Device.cpu(), \"PyTorch\")");
        }
    }

    /**
     * Returns the number of a model's layers, without loading it.
     *
     * @param folder holds config.json
     * @return decoder layers
     * @throws IOException if the file cannot be read
     * @throws CheckpointException if it does not describe a supported model; names file and key
     */
    public static int numLayers(Path folder) throws IOException, CheckpointException {
        return DecoderConfig.read(folder).numLayers();
    }

    /**
     * Returns a model that shares this one's weights and runs otherwise, dense beside sparse for
     * example. The weights stay with the manager that loaded them.
     *
     * @param options how it is to be run; the element type and the rounding of frequencies stay
     *     those of this model
     * @return the model
     * @throws IllegalArgumentException if the options ask for another element type
     * @throws IllegalStateException if the forced backend cannot run here
     */
    public CausalLm sharing(ModelOptions options) {
        if (options.dtype() != null && options.dtype() != dtype()) {
            throw new IllegalArgumentException(
                    "dtype: expected " + dtype() + " as loaded, found " + options.dtype());
        }
        return new CausalLm(
                config,
                decoder.weights(),
                decoder.rope(),
                decoder.ops(),
                decoder.memory(),
                options);
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
     * Returns the most sequences that are decoded together where several are to be answered.
     *
     * @return at least 1
     */
    public int maxBatch() {
        return maxBatch;
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
     * Returns the attention of the prefill.
     *
     * @return the kind
     */
    public AttentionKind attention() {
        return kind;
    }

    /**
     * Returns the settings that a layer's prompts run with.
     *
     * @param layer 0 to the number of layers - 1
     * @return the configuration; of dense attention one that keeps every block
     */
    public PbsConfig pbsConfig(int layer) {
        return decoder.attentions().get(layer).operator().config();
    }

    /**
     * Returns the backend of the prefill's attention.
     *
     * @return its name; {@code pytorch} for dense attention of PyTorch where no kernels are to be
     *     had
     */
    public String backendName() {
        return decoder.attentions().get(0).backendName();
    }

    /**
     * Returns the type that the model computes in.
     *
     * @return float32 or bfloat16
     */
    public TorchType dtype() {
        return decoder.ops().type();
    }

    /**
     * Makes an empty cache.
     *
     * @param manager will own the cache
     * @param batch the number of sequences, at least 1
     * @param maxTokens the length that it may grow to
     * @return the cache
     * @throws IllegalArgumentException if there is no sequence, or the length is beyond the context
     *     limit
     */
    public KvCache newCache(NDManager manager, int batch, int maxTokens) {
        if (batch < 1) {
            throw new IllegalArgumentException("batch: expected at least 1, found " + batch);
        }
        if (maxTokens < 1 || maxTokens > contextLimit) {
            throw new IllegalArgumentException(
                    "context limit: "
                            + maxTokens
                            + " tokens, the model takes 1 to "
                            + contextLimit);
        }
        return new KvCache(manager, config, dtype(), batch, maxTokens);
    }

    /**
     * Tells which rotary table the keys of a prompt are rotated by. Keys of different tables do not
     * go together.
     *
     * @param tokens the prompt's length
     * @return the table's index; the same for all lengths but with longrope and dynamic frequencies
     */
    public int keyTable(int tokens) {
        return decoder.rope().keyTable(tokens);
    }

    /**
     * Returns the memory that the cache of a sequence takes.
     *
     * @param tokens the sequence's length
     * @return bytes
     */
    public long cacheBytes(int tokens) {
        return KvCache.bytes(config, dtype(), tokens);
    }

    /**
     * Runs a prompt, or the next part of one, through the model.
     *
     * <p>Where a sequence outgrows the rotary frequencies that the cached keys were rotated by
     * (longrope), what the cache holds is run again before the tokens.
     *
     * @param inputIds (batch, tokens) int64; they follow what the cache holds
     * @param cache grows by the tokens; if the prefill fails it holds what it held before, or whole
     *     chunks more
     * @param options how to go about it
     * @return the logits of the positions that were asked for
     * @throws IllegalArgumentException if an id is unknown, there is no token, the cache is another
     *     model's, or its limit is exceeded
     * @throws IllegalStateException if the model or the cache is closed, perhaps meanwhile
     */
    public PrefillResult prefill(NDArray inputIds, KvCache cache, PrefillOptions options) {
        checkCache(cache);
        checkForm(inputIds, cache.batch());
        return run(
                List.of(cache),
                scope -> {
                    NDArray ids = LibTorch.get().hold(scope, inputIds);
                    checkIds(ids);
                    cache.checkRoom(Math.toIntExact(ids.getShape().get(1)));
                    PrefillResult result = new Prefill(decoder, options).run(ids, cache);
                    LibTorch.handOver(result.logits(), inputIds.getManager());
                    return result;
                });
    }

    /**
     * Runs one token of each sequence of a cache through the model.
     *
     * @param inputIds (batch, 1) int64
     * @param cache grows by one token; if the step fails it holds what it held before
     * @return logits (batch, vocabSize) float32, attached to the manager of the input
     * @throws IllegalArgumentException if an id is unknown, the shape is another, the cache is
     *     another model's, or its limit is exceeded
     * @throws IllegalStateException if the model or the cache is closed, perhaps meanwhile
     */
    public NDArray decode(NDArray inputIds, KvCache cache) {
        return decode(inputIds, List.of(cache));
    }

    /**
     * Runs one token of each of some sequences of any lengths through the model. Weights are read
     * once for all of them.
     *
     * @param inputIds (batch, 1) int64, in the order of the caches
     * @param caches different ones of this model, with as many sequences together as there are
     *     tokens; each grows by one token, or if the step fails holds what it held before
     * @return logits (batch, vocabSize) float32, attached to the manager of the input
     * @throws IllegalArgumentException if an id is unknown, the shape is another, a cache is there
     *     twice or of another model, or its limit is exceeded
     * @throws IllegalStateException if the model or a cache is closed, perhaps meanwhile
     */
    public NDArray decode(NDArray inputIds, List<KvCache> caches) {
        Set<KvCache> different = Collections.newSetFromMap(new IdentityHashMap<>());
        int sequences = 0;
        for (KvCache cache : caches) {
            checkCache(cache);
            if (!different.add(cache)) {
                throw new IllegalArgumentException("caches: the same cache is there twice");
            }
            sequences += cache.batch();
        }
        checkForm(inputIds, sequences);
        if (inputIds.getShape().get(1) != 1) {
            throw new IllegalArgumentException(
                    "inputIds: expected one token of each sequence, found " + inputIds.getShape());
        }
        return run(
                caches,
                scope -> {
                    NDArray ids = LibTorch.get().hold(scope, inputIds);
                    checkIds(ids);
                    caches.forEach(cache -> cache.checkRoom(1));
                    NDArray logits = new DecodeStep(decoder, List.copyOf(caches)).run(ids);
                    LibTorch.handOver(logits, inputIds.getManager());
                    return logits;
                });
    }

    /**
     * Runs work that no other thread can take the memory from: weights and caches stay until it
     * ends, and what it makes belongs to a manager that nobody else knows.
     */
    private <T> T run(List<KvCache> caches, Function<NDManager, T> work) {
        List<SharedResource> resources = new ArrayList<>();
        resources.add(decoder.memory().resource());
        caches.forEach(cache -> resources.add(cache.resource()));
        return SharedResource.use(
                resources,
                () -> {
                    try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
                        return work.apply(scope);
                    }
                });
    }

    /**
     * Makes a cache ready to take a token; a step does it for caches that are not.
     *
     * @param cache of this model
     * @throws IllegalStateException if the model or the cache is closed, perhaps meanwhile
     */
    public void prepareStep(KvCache cache) {
        run(
                List.of(cache),
                scope -> {
                    DecodeStep.prepare(scope, decoder, cache);
                    return null;
                });
    }

    private static float[] rounded(float[] values, TorchType type) {
        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            NDArray stored = LibTorch.get().toType(scope, scope.create(values), type);
            return LibTorch.get().toType(scope, stored, TorchType.FLOAT32).toFloatArray();
        }
    }

    private void checkCache(KvCache cache) {
        if (!cache.isOf(config, dtype())) {
            throw new IllegalArgumentException("cache: made by another model");
        }
    }

    private static void checkForm(NDArray inputIds, int sequences) {
        checkedLength(inputIds);
        if (inputIds.getShape().get(0) != sequences) {
            throw new IllegalArgumentException(
                    "inputIds: expected batch "
                            + sequences
                            + " as in the cache, found "
                            + inputIds.getShape().get(0));
        }
    }

    private void checkIds(NDArray inputIds) {
        int tokens = Math.toIntExact(inputIds.getShape().get(1));
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
    }

    /**
     * Checks the form of input ids.
     *
     * @param inputIds expected to be int64 (batch, tokens) on the CPU
     * @return the number of tokens, at least 1
     * @throws IllegalArgumentException if it is something else
     */
    public static int checkedLength(NDArray inputIds) {
        Shape shape = inputIds.getShape();
        if (!inputIds.getDevice().equals(Device.cpu())) {
            throw new IllegalArgumentException(
                    "inputIds: expected an array on cpu(), found one on " + inputIds.getDevice());
        }
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
}

package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.layer.Linear;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.checkpoint.Checkpoint;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The weights of a model, each checked against the configuration as it is read.
 *
 * @param embedding (vocabSize, hidden)
 * @param layers the decoder layers
 * @param norm the norm before the output layer
 * @param output (hidden to vocabSize)
 */
record CausalLmWeights(NDArray embedding, List<DecoderLayer> layers, RmsNorm norm, Linear output) {

    private static final Logger logger = LoggerFactory.getLogger(CausalLmWeights.class);

    private static final String BASE = "model.";
    private static final String HEAD = "lm_head.weight";

    /** Tokens whose embeddings are read at a time. */
    private static final int EMBEDDING_CHUNK = 2048;

    static CausalLmWeights read(
            Checkpoint checkpoint, DecoderConfig config, TorchType type, NDManager manager)
            throws IOException, CheckpointException {
        Reader reader = new Reader(checkpoint, config, type, manager);
        NDArray embedding =
                reader.tensor(
                        BASE + "embed_tokens.weight", config.vocabSize(), config.hiddenSize());
        List<DecoderLayer> layers = new ArrayList<>();
        for (int l = 0; l < config.numLayers(); ++l) {
            layers.add(reader.layer(BASE + "layers." + l + "."));
        }
        RmsNorm norm = reader.norm(BASE + "norm.weight", config.hiddenSize());
        Linear output = reader.output(embedding);
        reader.warnOfUnused();
        return new CausalLmWeights(embedding, List.copyOf(layers), norm, output);
    }

    /** The embeddings (..., hidden) of ids of any shape, in float32. */
    NDArray embed(NDManager scope, NDArray ids) {
        Shape shape = ids.getShape().add(embedding.getShape().get(1));
        NDArray embedded = LibTorch.get().empty(scope, shape, TorchType.FLOAT32);
        long rows = ids.size();
        try (NDArray flatIds = ids.reshape(rows);
                NDArray flat = embedded.reshape(rows, -1)) {
            // All rows in the type of the weights would be as many bytes again.
            for (long begin = 0; begin < rows; begin += EMBEDDING_CHUNK) {
                NDIndex chunk =
                        new NDIndex("{}:{}", begin, Math.min(rows, begin + EMBEDDING_CHUNK));
                try (NDManager temporary = scope.newSubManager()) {
                    NDArray some = flatIds.get(temporary, chunk);
                    LibTorch.get().copy(lookUp(temporary, some), flat.get(temporary, chunk));
                }
            }
        }
        return embedded;
    }

    /** The rows (ids, hidden) of the table, in its type. */
    private NDArray lookUp(NDManager scope, NDArray ids) {
        return LibTorch.get()
                .call(scope, "aten::embedding", "", 1, embedding, ids, -1L, false, false)[0];
    }

    /** Logits (rows, vocabSize) float32 of the residual stream (rows, hidden). */
    NDArray logits(NDManager scope, LayerOps ops, NDArray residual) {
        NDArray x = LibTorch.get().empty(scope, residual.getShape(), ops.type());
        norm.apply(ops, residual, x);
        Shape shape = new Shape(residual.getShape().get(0), output.out());
        NDArray logits = LibTorch.get().empty(scope, shape, TorchType.FLOAT32);
        ops.linear(x, List.of(output), List.of(logits));
        return logits;
    }

    /** Reads tensors by name and remembers which it has read. */
    private static final class Reader {

        private final Checkpoint checkpoint;
        private final DecoderConfig config;
        private final TorchType type;
        private final NDManager manager;
        private final Set<String> read = new HashSet<>();

        Reader(Checkpoint checkpoint, DecoderConfig config, TorchType type, NDManager manager) {
            this.checkpoint = checkpoint;
            this.config = config;
            this.type = type;
            this.manager = manager;
        }

        /**
         * The output layer. Embeddings that are tied need none; where a checkpoint has one all the
         * same that differs from them, it was trained by itself, as transformers takes it too.
         */
        Linear output(NDArray embedding) throws IOException, CheckpointException {
            if (config.tiedEmbeddings() && !checkpoint.has(HEAD)) {
                return new Linear(embedding, null);
            }
            NDArray head = tensor(HEAD, config.vocabSize(), config.hiddenSize());
            if (config.tiedEmbeddings()) {
                if (isEqual(embedding, head)) {
                    head.close();
                    return new Linear(embedding, null);
                }
                logger.warn(
                        "config.json says tie_word_embeddings, but '{}' differs from the"
                                + " embeddings: they are not tied",
                        HEAD);
            }
            return new Linear(head, null);
        }

        private boolean isEqual(NDArray a, NDArray b) {
            for (long begin = 0; begin < a.getShape().get(0); begin += EMBEDDING_CHUNK) {
                long end = Math.min(a.getShape().get(0), begin + EMBEDDING_CHUNK);
                NDIndex rows = new NDIndex("{}:{}", begin, end);
                try (NDManager scope = manager.newSubManager()) {
                    NDArray differs =
                            LibTorch.get()
                                    .call(
                                            scope,
                                            "aten::ne",
                                            "Tensor",
                                            1,
                                            a.get(scope, rows),
                                            b.get(scope, rows))[0];
                    if (differs.any().getBoolean()) {
                        return false;
                    }
                }
            }
            return true;
        }

        DecoderLayer layer(String prefix) throws IOException, CheckpointException {
            int hidden = config.hiddenSize();
            int wide = config.intermediateSize();
            int qWidth = config.qWidth();
            int kvWidth = config.numKvHeads() * config.headDim();
            ModelFamily.Projections has = config.projections();
            String attention = prefix + "self_attn.";
            String mlp = prefix + "mlp.";
            RmsNorm attentionNorm = norm(prefix + "input_layernorm.weight", hidden);
            List<Linear> qkv =
                    has.fused()
                            ? fused(attention + "qkv_proj", hidden, qWidth, kvWidth, kvWidth)
                            : List.of(
                                    linear(attention + "q_proj", hidden, qWidth, has.qkvBias()),
                                    linear(attention + "k_proj", hidden, kvWidth, has.qkvBias()),
                                    linear(attention + "v_proj", hidden, kvWidth, has.qkvBias()));
            List<Linear> gateUp =
                    has.fused()
                            ? fused(mlp + "gate_up_proj", hidden, wide, wide)
                            : List.of(
                                    linear(mlp + "gate_proj", hidden, wide, has.mlpBias()),
                                    linear(mlp + "up_proj", hidden, wide, has.mlpBias()));
            return new DecoderLayer(
                    attentionNorm,
                    new SelfAttention(
                            qkv.get(0),
                            qkv.get(1),
                            qkv.get(2),
                            linear(attention + "o_proj", qWidth, hidden, has.outputBias()),
                            has.qkNorm() ? headNorm(attention + "q_norm.weight") : null,
                            has.qkNorm() ? headNorm(attention + "k_norm.weight") : null,
                            config.headDim()),
                    norm(prefix + "post_attention_layernorm.weight", hidden),
                    new Mlp(
                            gateUp.get(0),
                            gateUp.get(1),
                            linear(mlp + "down_proj", wide, hidden, has.mlpBias())));
        }

        RmsNorm headNorm(String name) throws IOException, CheckpointException {
            return norm(name, config.headDim());
        }

        RmsNorm norm(String name, int width) throws IOException, CheckpointException {
            return new RmsNorm(tensor(name, TorchType.FLOAT32, width), config.rmsNormEps());
        }

        /** Layers whose weights lie one after the other in one tensor: views of its rows. */
        List<Linear> fused(String name, int in, int... outs)
                throws IOException, CheckpointException {
            NDArray weight = tensor(name + ".weight", Arrays.stream(outs).sum(), in);
            List<Linear> layers = new ArrayList<>();
            int begin = 0;
            for (int out : outs) {
                NDIndex rows = new NDIndex("{}:{}", begin, begin + out);
                layers.add(new Linear(weight.get(manager, rows), null));
                begin += out;
            }
            return layers;
        }

        Linear linear(String name, int in, int out, boolean hasBias)
                throws IOException, CheckpointException {
            NDArray weight = tensor(name + ".weight", out, in);
            return new Linear(weight, hasBias ? tensor(name + ".bias", out) : null);
        }

        NDArray tensor(String name, long... shape) throws IOException, CheckpointException {
            return tensor(name, type, shape);
        }

        NDArray tensor(String name, TorchType as, long... shape)
                throws IOException, CheckpointException {
            String stored = storedName(name);
            read.add(stored);
            return checkpoint.read(manager, stored, new Shape(shape), as);
        }

        /** A checkpoint of the model without its head names tensors without the first part. */
        private String storedName(String name) {
            if (checkpoint.has(name) || !name.startsWith(BASE)) {
                return name;
            }
            String inBase = name.substring(BASE.length());
            return checkpoint.has(inBase) ? inBase : name;
        }

        void warnOfUnused() {
            for (String name : checkpoint.names()) {
                // Tables that old versions of transformers stored, and the copy of tied embeddings.
                boolean harmless = name.endsWith("rotary_emb.inv_freq") || HEAD.equals(name);
                if (!read.contains(name) && !harmless) {
                    logger.warn("tensor '{}' of the checkpoint is not used", name);
                }
            }
        }
    }
}

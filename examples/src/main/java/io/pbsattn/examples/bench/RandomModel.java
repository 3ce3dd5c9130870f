package io.pbsattn.examples.bench;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Writes a Llama checkpoint of random bfloat16 weights whose attention {@link SparsePrompt} can
 * make sparse.
 *
 * <p>Everything is normal noise, drawn from a table of 2^20 values at random offsets, except three
 * things. Each embedding has as much in its first column as in all its noise, and in its second as
 * much of it as the token's level says, -1 to 1, see {@link SparsePrompt#level}. The query
 * projection of each head writes the first column, and the key projection the second, into the head
 * dimension that rotary positions rotate least. So a token of level g gets {@value #LARGEST_LOGIT}
 * g more on its logit from every query, in every layer: the projections back into the residual
 * stream are small.
 */
public final class RandomModel {

    private static final float LARGEST_LOGIT = 32;
    private static final float NOISE = 0.7f;
    private static final float WEIGHT = 0.02f;
    private static final int TABLE = 1 << 20;
    private static final int ALIGNMENT = 64;

    /** One tensor: its name, rows and columns, and what is in it. */
    private record Tensor(String name, int rows, int cols, boolean isVector, RowWriter writer) {

        long bytes() {
            return 2L * rows * cols;
        }
    }

    /** Fills a row of weights. */
    private interface RowWriter {
        void fill(int row, float[] values);
    }

    private final ModelShape shape;
    private final float constant;
    private final float[] noise = new float[TABLE];
    private final Random random;

    public RandomModel(ModelShape shape, long seed) {
        this.shape = shape;
        constant = NOISE * (float) Math.sqrt(shape.hiddenSize());
        random = new Random(seed);
        for (int i = 0; i < TABLE; ++i) {
            noise[i] = (float) random.nextGaussian();
        }
    }

    /**
     * Writes config.json and model.safetensors.
     *
     * @param folder is made if it is missing
     * @throws IOException if a file cannot be written
     */
    public void write(Path folder) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), config().toString());
        List<Tensor> tensors = tensors();
        byte[] header = header(tensors);
        Path part = folder.resolve("model.safetensors.part");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part), 1 << 20)) {
            out.write(
                    ByteBuffer.allocate(Long.BYTES)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(header.length)
                            .array());
            out.write(header);
            for (Tensor tensor : tensors) {
                write(tensor, out);
            }
        }
        Files.move(part, folder.resolve("model.safetensors"), StandardCopyOption.REPLACE_EXISTING);
    }

    private JsonObject config() {
        JsonObject rope = new JsonObject();
        rope.addProperty("rope_type", "llama3");
        rope.addProperty("factor", 32.0);
        rope.addProperty("low_freq_factor", 1.0);
        rope.addProperty("high_freq_factor", 4.0);
        rope.addProperty("original_max_position_embeddings", 8192);
        JsonObject config = new JsonObject();
        config.addProperty("model_type", "llama");
        config.addProperty("vocab_size", shape.vocabSize());
        config.addProperty("hidden_size", shape.hiddenSize());
        config.addProperty("intermediate_size", shape.intermediateSize());
        config.addProperty("num_hidden_layers", shape.numLayers());
        config.addProperty("num_attention_heads", shape.numQHeads());
        config.addProperty("num_key_value_heads", shape.numKvHeads());
        config.addProperty("head_dim", shape.headDim());
        config.addProperty("max_position_embeddings", 131072);
        config.addProperty("rms_norm_eps", 1e-5);
        config.addProperty("rope_theta", 500000.0);
        config.add("rope_scaling", rope);
        config.addProperty("hidden_act", "silu");
        config.addProperty("tie_word_embeddings", true);
        config.addProperty("torch_dtype", "bfloat16");
        config.addProperty("eos_token_id", 0);
        return config;
    }

    private List<Tensor> tensors() {
        int hidden = shape.hiddenSize();
        int qWidth = shape.numQHeads() * shape.headDim();
        int kvWidth = shape.numKvHeads() * shape.headDim();
        float back = WEIGHT / (float) Math.sqrt(2.0 * shape.numLayers());
        List<Tensor> tensors = new ArrayList<>();
        tensors.add(
                new Tensor(
                        "model.embed_tokens.weight",
                        shape.vocabSize(),
                        hidden,
                        false,
                        (token, row) -> {
                            addNoise(row, NOISE);
                            row[0] = constant;
                            row[1] = constant * SparsePrompt.level(token);
                        }));
        for (int l = 0; l < shape.numLayers(); ++l) {
            String layer = "model.layers." + l + ".";
            tensors.add(ones(layer + "input_layernorm.weight"));
            tensors.add(projection(layer + "self_attn.q_proj.weight", qWidth, 0));
            tensors.add(projection(layer + "self_attn.k_proj.weight", kvWidth, 1));
            tensors.add(plain(layer + "self_attn.v_proj.weight", kvWidth, hidden, WEIGHT));
            tensors.add(plain(layer + "self_attn.o_proj.weight", hidden, qWidth, back));
            tensors.add(ones(layer + "post_attention_layernorm.weight"));
            int wide = shape.intermediateSize();
            tensors.add(plain(layer + "mlp.gate_proj.weight", wide, hidden, WEIGHT));
            tensors.add(plain(layer + "mlp.up_proj.weight", wide, hidden, WEIGHT));
            tensors.add(plain(layer + "mlp.down_proj.weight", hidden, wide, back));
        }
        tensors.add(ones("model.norm.weight"));
        return tensors;
    }

    private Tensor ones(String name) {
        return new Tensor(
                name, 1, shape.hiddenSize(), true, (row, values) -> Arrays.fill(values, 1));
    }

    private Tensor plain(String name, int rows, int cols, float spread) {
        return new Tensor(name, rows, cols, false, (row, values) -> addNoise(values, spread));
    }

    /** A projection that writes a column into the head dimension of the lowest frequency. */
    private Tensor projection(String name, int rows, int column) {
        int dimension = shape.headDim() / 2 - 1;
        // Queries and keys share the factor; logits are divided by sqrt(headDim).
        float weight = (float) Math.sqrt(LARGEST_LOGIT * Math.sqrt(shape.headDim())) / constant;
        return new Tensor(
                name,
                rows,
                shape.hiddenSize(),
                false,
                (row, values) -> {
                    addNoise(values, WEIGHT);
                    values[0] = 0;
                    values[1] = 0;
                    if (row % shape.headDim() == dimension) {
                        values[column] = weight;
                    }
                });
    }

    private void addNoise(float[] row, float spread) {
        int index = random.nextInt(TABLE);
        for (int i = 0; i < row.length; ++i) {
            row[i] = spread * noise[(index + i) % TABLE];
        }
    }

    /** The header, with spaces behind it so that the data begin at a multiple of 64 bytes. */
    private static byte[] header(List<Tensor> tensors) {
        JsonObject header = new JsonObject();
        long begin = 0;
        for (Tensor tensor : tensors) {
            JsonObject entry = new JsonObject();
            entry.addProperty("dtype", "BF16");
            JsonArray sizes = new JsonArray();
            if (!tensor.isVector()) {
                sizes.add(tensor.rows());
            }
            sizes.add(tensor.cols());
            entry.add("shape", sizes);
            JsonArray offsets = new JsonArray();
            offsets.add(begin);
            begin += tensor.bytes();
            offsets.add(begin);
            entry.add("data_offsets", offsets);
            header.add(tensor.name(), entry);
        }
        StringBuilder text = new StringBuilder(header.toString());
        while ((Long.BYTES + text.length()) % ALIGNMENT != 0) {
            text.append(' ');
        }
        return text.toString().getBytes(StandardCharsets.US_ASCII);
    }

    private static void write(Tensor tensor, OutputStream out) throws IOException {
        float[] row = new float[tensor.cols()];
        ByteBuffer bytes = ByteBuffer.allocate(2 * row.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int r = 0; r < tensor.rows(); ++r) {
            tensor.writer().fill(r, row);
            bytes.clear();
            for (float value : row) {
                // Rounded to nearest; a tie, rare and of no weight here, goes up.
                bytes.putShort((short) ((Float.floatToRawIntBits(value) + 0x8000) >>> 16));
            }
            out.write(bytes.array());
        }
    }
}

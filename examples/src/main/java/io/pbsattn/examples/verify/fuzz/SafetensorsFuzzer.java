package io.pbsattn.examples.verify.fuzz;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Mutates the weights' files: their header, its length, their bytes, and the index of shards. */
final class SafetensorsFuzzer implements Fuzzer {

    private static final String SINGLE = "model.safetensors";
    private static final String SHARD = "model-00001-of-00001.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    /** Tensors of the seed, whose bytes follow each other. */
    private static final Map<String, Shape> SHAPES =
            Map.of(
                    "a.weight", new Shape(2, 3),
                    "b.weight", new Shape(4),
                    "c.weight", new Shape(2, 2),
                    "empty", new Shape(0, 7));

    private static final JsonElement HEADER =
            JsonParser.parseString(
                    """
                    {"__metadata__": {"format": "pt"},
                     "a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                     "b.weight": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
                     "c.weight": {"dtype": "F16", "shape": [2, 2], "data_offsets": [32, 40]},
                     "empty": {"dtype": "F32", "shape": [0, 7], "data_offsets": [40, 40]},
                     "other": {"dtype": "I64", "shape": [1], "data_offsets": [40, 48]}}
                    """);

    private static final int DATA_BYTES = 48;

    private static final JsonElement SHARDS =
            JsonParser.parseString(
                    """
                    {"metadata": {"total_size": 48},
                     "weight_map": {"a.weight": "model-00001-of-00001.safetensors",
                                    "b.weight": "model-00001-of-00001.safetensors"}}
                    """);

    private static final long[] LENGTHS = {
        0, 1, 7, -1, Long.MAX_VALUE, Long.MIN_VALUE, Integer.MAX_VALUE, 1L << 32, 100_000_001
    };

    /** {@inheritDoc} */
    @Override
    public void write(Path folder, SplittableRandom random) throws IOException {
        for (String name : List.of(SINGLE, SHARD, INDEX)) {
            // A new file each time: arrays of the last one may still be mapped.
            Files.deleteIfExists(folder.resolve(name));
        }
        JsonMutator json = new JsonMutator(random, List.of(HEADER, SHARDS));
        byte[] header = HEADER.toString().getBytes(StandardCharsets.UTF_8);
        switch (random.nextInt(8)) {
            case 0 -> {
                Files.write(folder.resolve(SHARD), file(header.length, header));
                Files.write(folder.resolve(INDEX), json.mutate(SHARDS));
            }
            case 1 ->
                    Files.write(
                            folder.resolve(SINGLE),
                            file(LENGTHS[random.nextInt(LENGTHS.length)], header));
            case 2 ->
                    Files.write(
                            folder.resolve(SINGLE),
                            new ByteMutator(random).mutate(file(header.length, header)));
            default -> {
                byte[] mutated = json.mutate(HEADER);
                Files.write(folder.resolve(SINGLE), file(mutated.length, mutated));
            }
        }
    }

    private static byte[] file(long length, byte[] header) {
        return ByteBuffer.allocate(Long.BYTES + header.length + DATA_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(header)
                .array();
    }

    /** {@inheritDoc} */
    @Override
    public void read(Path folder) throws Exception {
        Checkpoint checkpoint = Checkpoint.open(folder);
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            for (Map.Entry<String, Shape> tensor : SHAPES.entrySet()) {
                if (checkpoint.names().contains(tensor.getKey())) {
                    checkpoint
                            .read(manager, tensor.getKey(), tensor.getValue(), TorchType.FLOAT32)
                            .toFloatArray();
                }
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public boolean names(String message, Path folder) {
        // An index may name any file of the folder.
        return message.contains(".safetensors") || message.contains(folder.toString());
    }
}

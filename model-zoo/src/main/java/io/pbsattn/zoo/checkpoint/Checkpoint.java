package io.pbsattn.zoo.checkpoint;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The weights in a Hugging Face folder: {@code model.safetensors}, or the shards that {@code
 * model.safetensors.index.json} names.
 */
public final class Checkpoint {

    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    /** Bytes that are mapped at a time; a mapping holds at most 2 GiB, a tensor may hold more. */
    private static final long MAPPING_BYTES = 1 << 30;

    /** Names that an error shows. */
    private static final int SHOWN = 3;

    private final Path folder;
    private final Map<String, SafetensorsFile> files;

    private Checkpoint(Path folder, Map<String, SafetensorsFile> files) {
        this.folder = folder;
        this.files = files;
    }

    /**
     * Opens the files of a folder; tensors are read when they are asked for.
     *
     * @param folder holds the files
     * @return the checkpoint
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if there is no checkpoint, or a file is damaged; names the file
     */
    public static Checkpoint open(Path folder) throws IOException, CheckpointException {
        Map<String, SafetensorsFile> files = new HashMap<>();
        if (Files.exists(folder.resolve(SINGLE))) {
            SafetensorsFile file = SafetensorsFile.open(folder.resolve(SINGLE));
            file.entries().keySet().forEach(name -> files.put(name, file));
        } else if (Files.exists(folder.resolve(INDEX))) {
            openShards(folder, files);
        } else {
            throw new CheckpointException(folder + ": holds neither " + SINGLE + " nor " + INDEX);
        }
        return new Checkpoint(folder, files);
    }

    /**
     * Checks that a safetensors file is whole: that its header describes all of it.
     *
     * @param file with any name
     * @throws IOException if it cannot be read
     * @throws CheckpointException if it is something else, or cut
     */
    public static void check(Path file) throws IOException, CheckpointException {
        SafetensorsFile.open(file);
    }

    private static void openShards(Path folder, Map<String, SafetensorsFile> files)
            throws IOException, CheckpointException {
        Path index = folder.resolve(INDEX);
        JsonFile map = JsonFile.read(index).object("weight_map");
        Map<String, SafetensorsFile> shards = new HashMap<>();
        for (String tensor : map.keys()) {
            String name = map.string(tensor);
            SafetensorsFile shard = shards.get(name);
            if (shard == null) {
                shard = SafetensorsFile.open(inside(folder, index, name));
                shards.put(name, shard);
                for (String stored : shard.entries().keySet()) {
                    files.putIfAbsent(stored, shard);
                }
            }
            // An index may be older than its shards: what they hold is what counts.
            if (shard.entries().containsKey(tensor)) {
                files.put(tensor, shard);
            }
        }
    }

    /**
     * A shard is a file in the folder itself: an index must not reach for other files of the
     * machine.
     */
    private static Path inside(Path folder, Path index, String name) throws CheckpointException {
        boolean plain;
        try {
            Path path = Path.of(name);
            plain =
                    !path.isAbsolute()
                            && path.getNameCount() == 1
                            && !"..".equals(name)
                            && !name.contains("\\");
        } catch (InvalidPathException e) {
            plain = false;
        }
        if (!plain) {
            throw new CheckpointException(
                    index + ": shard '" + name + "' is not a file name inside the folder");
        }
        return folder.resolve(name);
    }

    /**
     * Returns the names of all tensors.
     *
     * @return the names
     */
    public Set<String> names() {
        return files.keySet();
    }

    /**
     * Tells whether there is a tensor.
     *
     * @param name the tensor's name
     * @return true if there is
     */
    public boolean has(String name) {
        return files.containsKey(name);
    }

    /**
     * Reads a tensor. Where the file has it in the type that is asked for, the array is the file's
     * own memory, mapped: do not change the file while the array is in use.
     *
     * @param manager will own the array
     * @param name the tensor's name
     * @param expected the shape that the model needs
     * @param type the element type that the model needs
     * @return the array
     * @throws IOException if the file cannot be read
     * @throws CheckpointException if the tensor is missing, or of another shape or kind
     */
    public NDArray read(NDManager manager, String name, Shape expected, TorchType type)
            throws IOException, CheckpointException {
        SafetensorsFile file = files.get(name);
        if (file == null) {
            throw missing(name);
        }
        SafetensorsFile.Entry entry = file.entries().get(name);
        String where = file.path() + ": tensor '" + name + "': ";
        if (!entry.shape().equals(expected)) {
            throw new CheckpointException(
                    where
                            + "expected shape "
                            + expected
                            + " by config.json, found "
                            + entry.shape());
        }
        TorchType stored =
                entry.type()
                        .orElseThrow(
                                () ->
                                        new CheckpointException(
                                                where
                                                        + "expected float32, float16 or bfloat16,"
                                                        + " found "
                                                        + entry.dtype()));
        // Nothing to map has no address.
        boolean canMap =
                stored == type
                        && entry.end() > entry.begin()
                        && entry.begin() % type.bytes() == 0
                        && entry.end() - entry.begin() <= Integer.MAX_VALUE;
        return canMap
                ? map(manager, file.path(), entry, stored)
                : copy(manager, file.path(), entry, stored, type);
    }

    private CheckpointException missing(String name) {
        String some =
                files.keySet().stream().sorted().limit(SHOWN).collect(Collectors.joining(", "));
        return new CheckpointException(
                folder
                        + ": tensor '"
                        + name
                        + "' is missing; of "
                        + files.size()
                        + " tensors the first are: "
                        + some);
    }

    private static NDArray map(
            NDManager manager, Path path, SafetensorsFile.Entry entry, TorchType stored)
            throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            ByteBuffer memory =
                    channel.map(
                            FileChannel.MapMode.READ_ONLY,
                            entry.begin(),
                            entry.end() - entry.begin());
            return LibTorch.get().wrap(manager, memory, entry.shape(), stored);
        }
    }

    private static NDArray copy(
            NDManager manager,
            Path path,
            SafetensorsFile.Entry entry,
            TorchType stored,
            TorchType type)
            throws IOException {
        NDArray result = LibTorch.get().empty(manager, entry.shape(), type);
        long elementBytes = stored.bytes();
        try (NDManager scope = manager.newSubManager();
                FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            NDArray flat = result.reshape(-1);
            flat.attach(scope);
            for (long begin = entry.begin(); begin < entry.end(); begin += MAPPING_BYTES) {
                long bytes = Math.min(MAPPING_BYTES, entry.end() - begin);
                ByteBuffer memory = channel.map(FileChannel.MapMode.READ_ONLY, begin, bytes);
                Shape shape = new Shape(bytes / elementBytes);
                long first = (begin - entry.begin()) / elementBytes;
                NDArray source = LibTorch.get().wrap(scope, memory, shape, stored);
                NDArray target = flat.get(new NDIndex("{}:{}", first, first + shape.size()));
                LibTorch.get().copy(source, target);
            }
        }
        return result;
    }
}

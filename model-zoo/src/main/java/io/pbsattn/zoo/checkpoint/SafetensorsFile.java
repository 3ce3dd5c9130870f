package io.pbsattn.zoo.checkpoint;

import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonParseException;
import com.google.gson.stream.JsonReader;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A safetensors file: eight bytes with the header's length, a JSON header that names each tensor's
 * type, shape and place, and the data. The header is checked as a whole before anything is read.
 */
final class SafetensorsFile {

    /** The limit of the format's own implementation. */
    private static final long MAX_HEADER = 100_000_000;

    /**
     * One tensor.
     *
     * @param type element type
     * @param shape its shape, row-major
     * @param begin its first byte, counted from the start of the file
     * @param end the byte after its last
     */
    record Entry(TorchType type, Shape shape, long begin, long end) {}

    private final Path path;
    private final Map<String, Entry> entries;

    private SafetensorsFile(Path path, Map<String, Entry> entries) {
        this.path = path;
        this.entries = entries;
    }

    static SafetensorsFile open(Path path) throws IOException, CheckpointException {
        if (!Files.isRegularFile(path)) {
            throw new CheckpointException(path + ": no such file");
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < Long.BYTES) {
                throw new CheckpointException(
                        path + ": truncated: " + size + " bytes, expected at least 8");
            }
            long header = read(channel, 0, Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).getLong();
            if (header < 2 || header > MAX_HEADER || header > size - Long.BYTES) {
                throw new CheckpointException(
                        path
                                + ": header of "
                                + header
                                + " bytes does not fit in a file of "
                                + size
                                + " bytes; truncated, or not a safetensors file");
            }
            String json =
                    StandardCharsets.UTF_8
                            .decode(read(channel, Long.BYTES, (int) header))
                            .toString();
            Map<String, Entry> entries = parse(path, json, Long.BYTES + header);
            checkLayout(path, entries, Long.BYTES + header, size);
            return new SafetensorsFile(path, entries);
        }
    }

    Path path() {
        return path;
    }

    Map<String, Entry> entries() {
        return entries;
    }

    private static ByteBuffer read(FileChannel channel, long position, int length)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw new IOException("file ended while its header was read");
            }
        }
        return buffer.flip();
    }

    private static Map<String, Entry> parse(Path path, String json, long dataStart)
            throws CheckpointException {
        Map<String, Entry> entries = new LinkedHashMap<>();
        try (JsonReader reader = new JsonReader(new StringReader(json))) {
            reader.beginObject();
            while (reader.hasNext()) {
                String name = reader.nextName();
                if ("__metadata__".equals(name)) {
                    reader.skipValue();
                } else if (entries.put(name, parseEntry(path, name, reader, dataStart)) != null) {
                    throw new CheckpointException(
                            path + ": tensor '" + name + "' stands in the header twice");
                }
            }
            reader.endObject();
        } catch (IOException
                | IllegalStateException
                | NumberFormatException
                | JsonParseException e) {
            throw new CheckpointException(path + ": header is not valid: " + e.getMessage(), e);
        }
        return entries;
    }

    private static Entry parseEntry(Path path, String name, JsonReader reader, long dataStart)
            throws IOException, CheckpointException {
        String dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        reader.beginObject();
        while (reader.hasNext()) {
            switch (reader.nextName()) {
                case "dtype" -> dtype = reader.nextString();
                case "shape" -> shape = longs(reader);
                case "data_offsets" -> offsets = longs(reader);
                default -> reader.skipValue();
            }
        }
        reader.endObject();
        String where = path + ": tensor '" + name + "': ";
        if (dtype == null || shape == null || offsets == null || offsets.size() != 2) {
            throw new CheckpointException(where + "expected dtype, shape and two data_offsets");
        }
        TorchType type = type(where, dtype);
        long elements = 1;
        try {
            for (long size : shape) {
                if (size < 0) {
                    throw new CheckpointException(where + "negative size in shape " + shape);
                }
                elements = Math.multiplyExact(elements, size);
            }
            long bytes = Math.multiplyExact(elements, type.bytes());
            if (offsets.get(0) < 0 || Math.subtractExact(offsets.get(1), offsets.get(0)) != bytes) {
                throw new CheckpointException(
                        where
                                + dtype
                                + " "
                                + shape
                                + " takes "
                                + bytes
                                + " bytes, but data_offsets are "
                                + offsets);
            }
            long[] sizes = shape.stream().mapToLong(Long::longValue).toArray();
            return new Entry(
                    type,
                    new Shape(sizes),
                    Math.addExact(dataStart, offsets.get(0)),
                    Math.addExact(dataStart, offsets.get(1)));
        } catch (ArithmeticException e) {
            throw new CheckpointException(
                    where + "shape " + shape + " or data_offsets " + offsets + " overflow", e);
        }
    }

    private static List<Long> longs(JsonReader reader) throws IOException {
        List<Long> values = new ArrayList<>();
        reader.beginArray();
        while (reader.hasNext()) {
            values.add(reader.nextLong());
        }
        reader.endArray();
        return values;
    }

    private static TorchType type(String where, String dtype) throws CheckpointException {
        return switch (dtype) {
            case "F64" -> TorchType.FLOAT64;
            case "F32" -> TorchType.FLOAT32;
            case "F16" -> TorchType.FLOAT16;
            case "BF16" -> TorchType.BFLOAT16;
            case "I64" -> TorchType.INT64;
            case "I32" -> TorchType.INT32;
            case "I16" -> TorchType.INT16;
            case "I8" -> TorchType.INT8;
            case "U8" -> TorchType.UINT8;
            case "BOOL" -> TorchType.BOOLEAN;
            default ->
                    throw new CheckpointException(where + "dtype '" + dtype + "' is not supported");
        };
    }

    /** The format demands that the tensors fill the data exactly, without holes or overlaps. */
    private static void checkLayout(Path path, Map<String, Entry> entries, long start, long size)
            throws CheckpointException {
        List<Map.Entry<String, Entry>> sorted = new ArrayList<>(entries.entrySet());
        sorted.sort(
                Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin())
                        .thenComparingLong(e -> e.getValue().end()));
        long end = start;
        for (Map.Entry<String, Entry> entry : sorted) {
            Entry tensor = entry.getValue();
            String where = path + ": tensor '" + entry.getKey() + "': ";
            if (tensor.end() > size) {
                throw new CheckpointException(
                        where
                                + "ends at byte "
                                + tensor.end()
                                + " of a file of "
                                + size
                                + " bytes; truncated?");
            }
            if (tensor.begin() != end) {
                throw new CheckpointException(
                        where
                                + "begins at byte "
                                + tensor.begin()
                                + ", but the one before ends at "
                                + end
                                + (tensor.begin() < end ? ": they overlap" : ": there is a hole"));
            }
            end = tensor.end();
        }
        if (end != size) {
            throw new CheckpointException(
                    path
                            + ": tensors end at byte "
                            + end
                            + ", but the file has "
                            + size
                            + " bytes");
        }
    }
}

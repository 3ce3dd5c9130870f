package io.pbsattn.zoo.checkpoint;

import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonParseException;
import com.google.gson.stream.JsonReader;
import io.pbsattn.torch.TorchType;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A safetensors file: eight bytes with the header's length, a JSON header that names each tensor's
 * type, shape and place, and the data. The header is checked as a whole before anything is read.
 */
final class SafetensorsFile {

    /** The limit of the format's own implementation. */
    private static final long MAX_HEADER = 100_000_000;

    /** Far more than any model has; a header of tiny entries must not fill the memory. */
    private static final int MAX_TENSORS = 500_000;

    private static final int MAX_DIMENSIONS = 16;

    /** Bits of an element of each type that the format knows. */
    private static final Map<String, Integer> BITS =
            Map.ofEntries(
                    Map.entry("F64", 64),
                    Map.entry("F32", 32),
                    Map.entry("F16", 16),
                    Map.entry("BF16", 16),
                    Map.entry("F8_E5M2", 8),
                    Map.entry("F8_E4M3", 8),
                    Map.entry("F8_E8M0", 8),
                    Map.entry("F6_E2M3", 6),
                    Map.entry("F6_E3M2", 6),
                    Map.entry("F4", 4),
                    Map.entry("C64", 64),
                    Map.entry("I64", 64),
                    Map.entry("I32", 32),
                    Map.entry("I16", 16),
                    Map.entry("I8", 8),
                    Map.entry("U64", 64),
                    Map.entry("U32", 32),
                    Map.entry("U16", 16),
                    Map.entry("U8", 8),
                    Map.entry("BOOL", 8));

    /** The types of weights that can be read. */
    private static final Map<String, TorchType> FLOATS =
            Map.of(
                    "F64", TorchType.FLOAT64,
                    "F32", TorchType.FLOAT32,
                    "F16", TorchType.FLOAT16,
                    "BF16", TorchType.BFLOAT16);

    /**
     * One tensor.
     *
     * @param dtype element type, as the header names it
     * @param shape its shape, row-major
     * @param begin its first byte, counted from the start of the file
     * @param end the byte after its last
     */
    record Entry(String dtype, Shape shape, long begin, long end) {

        /** The type of its elements; empty for types that no model here computes with. */
        Optional<TorchType> type() {
            return Optional.ofNullable(FLOATS.get(dtype));
        }
    }

    private final Path path;
    private final Map<String, Entry> entries;

    private SafetensorsFile(Path path, Map<String, Entry> entries) {
        this.path = path;
        this.entries = entries;
    }

    static SafetensorsFile open(Path path) throws IOException, CheckpointException {
        TextFile.check(path);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < Long.BYTES) {
                throw new CheckpointException(
                        path + ": truncated: " + size + " bytes, expected at least 8");
            }
            long header =
                    ByteBuffer.wrap(read(channel, 0, Long.BYTES))
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getLong();
            if (header < 2 || header > MAX_HEADER || header > size - Long.BYTES) {
                throw new CheckpointException(
                        path
                                + ": header of "
                                + header
                                + " bytes does not fit in a file of "
                                + size
                                + " bytes; truncated, or not a safetensors file");
            }
            byte[] json = read(channel, Long.BYTES, (int) header);
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

    private static byte[] read(FileChannel channel, long position, int length) throws IOException {
        byte[] bytes = new byte[length];
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw new IOException("file ended while its header was read");
            }
        }
        return bytes;
    }

    private static Map<String, Entry> parse(Path path, byte[] json, long dataStart)
            throws CheckpointException {
        Map<String, Entry> entries = new LinkedHashMap<>();
        InputStream bytes = new ByteArrayInputStream(json);
        // A decoder of its own refuses what is not UTF-8; the text as a whole is never in memory.
        try (JsonReader reader =
                new JsonReader(new InputStreamReader(bytes, StandardCharsets.UTF_8.newDecoder()))) {
            reader.beginObject();
            while (reader.hasNext()) {
                String name = reader.nextName();
                if ("__metadata__".equals(name)) {
                    reader.skipValue();
                } else if (entries.put(name, parseEntry(path, name, reader, dataStart)) != null) {
                    throw new CheckpointException(
                            path + ": tensor '" + name + "' stands in the header twice");
                } else if (entries.size() > MAX_TENSORS) {
                    throw new CheckpointException(
                            path + ": expected at most " + MAX_TENSORS + " tensors");
                }
            }
            reader.endObject();
        } catch (CharacterCodingException e) {
            throw new CheckpointException(path + ": header is not valid: not UTF-8", e);
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
                case "shape" -> shape = longs(path, name, reader);
                case "data_offsets" -> offsets = longs(path, name, reader);
                default -> reader.skipValue();
            }
        }
        reader.endObject();
        String where = path + ": tensor '" + name + "': ";
        if (dtype == null || shape == null || offsets == null || offsets.size() != 2) {
            throw new CheckpointException(where + "expected dtype, shape and two data_offsets");
        }
        long elements = 1;
        try {
            for (long size : shape) {
                if (size < 0) {
                    throw new CheckpointException(where + "negative size in shape " + shape);
                }
                elements = Math.multiplyExact(elements, size);
            }
            long bytes = bytes(dtype, elements, offsets);
            if (offsets.get(0) < 0
                    || bytes < 0
                    || Math.subtractExact(offsets.get(1), offsets.get(0)) != bytes) {
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
                    dtype,
                    new Shape(sizes),
                    Math.addExact(dataStart, offsets.get(0)),
                    Math.addExact(dataStart, offsets.get(1)));
        } catch (ArithmeticException e) {
            throw new CheckpointException(
                    where + "shape " + shape + " or data_offsets " + offsets + " overflow", e);
        }
    }

    /** What elements take; of types that the format does not know, what the offsets say. */
    private static long bytes(String dtype, long elements, List<Long> offsets) {
        Integer bits = BITS.get(dtype);
        return bits == null
                ? Math.subtractExact(offsets.get(1), offsets.get(0))
                : Math.addExact(Math.multiplyExact(elements, (long) bits), 7) / 8;
    }

    private static List<Long> longs(Path path, String name, JsonReader reader)
            throws IOException, CheckpointException {
        List<Long> values = new ArrayList<>();
        reader.beginArray();
        while (reader.hasNext()) {
            if (values.size() == MAX_DIMENSIONS) {
                throw new CheckpointException(
                        path
                                + ": tensor '"
                                + name
                                + "': expected at most "
                                + MAX_DIMENSIONS
                                + " dimensions");
            }
            values.add(reader.nextLong());
        }
        reader.endArray();
        return values;
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

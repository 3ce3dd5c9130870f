package io.pbsattn.zoo;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The tensors of a folder's safetensors files as they are stored, to be changed and written. */
public final class StoredTensors {

    private final Map<String, Tensor> tensors = new TreeMap<>();

    /** A tensor: its header's dtype and shape, and its bytes. */
    public static final class Tensor {

        private final String dtype;
        private final JsonArray shape;
        private final byte[] data;

        public Tensor(String dtype, JsonArray shape, byte[] data) {
            this.dtype = dtype;
            this.shape = shape;
            this.data = data;
        }

        public String dtype() {
            return dtype;
        }

        public JsonArray shape() {
            return shape;
        }

        public byte[] data() {
            return data;
        }
    }

    /** Reads all files of a folder. */
    public static StoredTensors read(Path folder) throws IOException {
        StoredTensors stored = new StoredTensors();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).toList()) {
                stored.add(Files.readAllBytes(file));
            }
        }
        return stored;
    }

    private void add(byte[] file) {
        int header = (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
        int data = Long.BYTES + header;
        String json = new String(file, Long.BYTES, header, StandardCharsets.UTF_8);
        JsonObject entries = JsonParser.parseString(json).getAsJsonObject();
        entries.remove("__metadata__");
        for (String name : entries.keySet()) {
            JsonObject entry = entries.getAsJsonObject(name);
            JsonArray offsets = entry.getAsJsonArray("data_offsets");
            byte[] bytes =
                    Arrays.copyOfRange(
                            file,
                            data + offsets.get(0).getAsInt(),
                            data + offsets.get(1).getAsInt());
            tensors.put(
                    name,
                    new Tensor(
                            entry.get("dtype").getAsString(),
                            entry.getAsJsonArray("shape"),
                            bytes));
        }
    }

    /** The tensors by their names. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /** Writes all of them into one file. */
    public void write(Path file) throws IOException {
        JsonObject header = new JsonObject();
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
            JsonArray offsets = new JsonArray();
            offsets.add(data.size());
            data.writeBytes(entry.getValue().data());
            offsets.add(data.size());
            JsonObject json = new JsonObject();
            json.addProperty("dtype", entry.getValue().dtype());
            json.add("shape", entry.getValue().shape());
            json.add("data_offsets", offsets);
            header.add(entry.getKey(), json);
        }
        byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes =
                ByteBuffer.allocate(Long.BYTES + text.length + data.size())
                        .order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(text.length).put(text).put(data.toByteArray());
        Files.write(file, bytes.array());
    }
}

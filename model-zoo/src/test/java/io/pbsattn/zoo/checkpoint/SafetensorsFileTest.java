package io.pbsattn.zoo.checkpoint;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.text.JsonMutator;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class SafetensorsFileTest {

    private static final String F32 = "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";

    @DataProvider
    public Object[][] broken() {
        return new Object[][] {
            {"truncated", new byte[5]},
            {"header of 9999 bytes", file(9999, "{}", 0)},
            {"header of -1 bytes", file(-1, "{}", 0)},
            {"header is not valid", file("{\"a\":", 0)},
            {"header is not valid", file("[]", 0)},
            {"truncated", file("{\"a\":" + F32 + "}", 4)},
            {"but the file has", file("{\"a\":" + F32 + "}", 16)},
            {"twice", file("{\"a\":" + F32 + ",\"a\":" + F32 + "}", 8)},
            {
                "takes 12 bytes",
                file("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8)
            },
            {
                "takes 4 bytes",
                file("{\"a\":{\"dtype\":\"F4\",\"shape\":[7],\"data_offsets\":[0,8]}}", 8)
            },
            {"path $.a.shape", file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5]}}", 0)},
            {
                "tensor 'a': expected at most 16 dimensions",
                file("{\"a\":{\"dtype\":\"F32\",\"shape\":[" + "1,".repeat(16) + "1]}}", 0)
            },
            {"not UTF-8", spoilt(file("{\"\u00e9\":" + F32 + "}", 8))},
            {
                "negative size",
                file("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8)
            },
            {"expected dtype, shape", file("{\"a\":{\"dtype\":\"F32\"}}", 8)},
            {
                "overflow",
                file(
                        "{\"a\":{\"dtype\":\"F32\",\"shape\":[9000000000,9000000000],"
                                + "\"data_offsets\":[0,8]}}",
                        8)
            },
            {
                "they overlap",
                file(
                        "{\"a\":"
                                + F32
                                + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
                                + "\"data_offsets\":[4,12]}}",
                        12)
            },
            {
                "there is a hole",
                file(
                        "{\"a\":"
                                + F32
                                + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],"
                                + "\"data_offsets\":[12,20]}}",
                        20)
            },
            {
                "takes 8 bytes",
                file("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8)
            }
        };
    }

    @Test(dataProvider = "broken")
    public void brokenFileIsNamed(String word, byte[] bytes) throws IOException {
        Path path = Files.createTempFile("broken", ".safetensors");
        Files.write(path, bytes);
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> SafetensorsFile.open(path));
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(path.toString()), e.getMessage());
    }

    @Test
    public void readsEveryFloatType() throws Exception {
        String header =
                "{\"__metadata__\":{\"format\":\"pt\"},"
                        + "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        + "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[8,12]},"
                        + "\"c\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[12,14]},"
                        + "\"d\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[14,22]}}";
        byte[] bytes = file(header, 22);
        ByteBuffer data = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        data.position(bytes.length - 22);
        data.putFloat(1.5f)
                .putFloat(-2)
                .putShort((short) 0x3fc0)
                .putShort((short) 0xc000)
                .putShort((short) 0x3e00);
        Path folder = Files.createTempDirectory("checkpoint");
        Files.write(folder.resolve("model.safetensors"), bytes);
        Checkpoint checkpoint = Checkpoint.open(folder);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray a = checkpoint.read(manager, "a", new Shape(2), TorchType.FLOAT32);
            NDArray b = checkpoint.read(manager, "b", new Shape(2, 1), TorchType.FLOAT32);
            NDArray c = checkpoint.read(manager, "c", new Shape(1), TorchType.FLOAT32);
            Assert.assertEquals(a.toFloatArray(), new float[] {1.5f, -2});
            Assert.assertEquals(b.toFloatArray(), new float[] {1.5f, -2});
            Assert.assertEquals(c.toFloatArray(), new float[] {1.5f});
            NDArray mapped = checkpoint.read(manager, "b", new Shape(2, 1), TorchType.BFLOAT16);
            Assert.assertEquals(TorchType.of(mapped), TorchType.BFLOAT16);
            NDArray floats = LibTorch.get().toType(manager, mapped, TorchType.FLOAT32);
            Assert.assertEquals(floats.toFloatArray(), new float[] {1.5f, -2});
            refused(
                    "expected shape (3)",
                    () -> checkpoint.read(manager, "a", new Shape(3), TorchType.FLOAT32));
            refused(
                    "'z' is missing",
                    () -> checkpoint.read(manager, "z", new Shape(3), TorchType.FLOAT32));
            refused(
                    "found I64",
                    () -> checkpoint.read(manager, "d", new Shape(1), TorchType.FLOAT32));
        }
    }

    /** A tensor without elements is one too, also where the file ends. */
    @Test
    public void readsEmptyTensors() throws Exception {
        String header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]}}";
        Path folder = Files.createTempDirectory("checkpoint");
        Files.write(folder.resolve("model.safetensors"), file(header, 0));
        Checkpoint checkpoint = Checkpoint.open(folder);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            for (TorchType type : List.of(TorchType.FLOAT32, TorchType.BFLOAT16)) {
                NDArray empty = checkpoint.read(manager, "a", new Shape(0, 7), type);
                Assert.assertEquals(empty.getShape(), new Shape(0, 7));
                Assert.assertEquals(TorchType.of(empty), type);
            }
        }
    }

    /** A file beyond 2 GiB, nearly all of it a hole that takes no space on the disk. */
    @Test
    public void readsBehindTwoGigabytes() throws Exception {
        long big = 2_300_000_000L;
        String header =
                "{\"big\":{\"dtype\":\"U8\",\"shape\":["
                        + big
                        + "],\"data_offsets\":[0,"
                        + big
                        + "]},"
                        + "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":["
                        + big
                        + ","
                        + (big + 8)
                        + "]}}";
        Path folder = Files.createTempDirectory("checkpoint");
        Path path = folder.resolve("model.safetensors");
        byte[] start = file(header, 0);
        try (RandomAccessFile out = new RandomAccessFile(path.toFile(), "rw")) {
            out.write(start);
            out.seek(start.length + big);
            out.write(
                    ByteBuffer.allocate(8)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putFloat(2.5f)
                            .putFloat(-1)
                            .array());
        }
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray a = Checkpoint.open(folder).read(manager, "a", new Shape(2), TorchType.FLOAT32);
            Assert.assertEquals(a.toFloatArray(), new float[] {2.5f, -1});
        } finally {
            Files.delete(path);
        }
    }

    @DataProvider
    public Object[][] shards() {
        return new Object[][] {
            {"../model-00001-of-00004.safetensors", "is not a file name inside the folder"},
            {"/etc/passwd", "is not a file name inside the folder"},
            {"sub/x.safetensors", "is not a file name inside the folder"},
            {"..", "is not a file name inside the folder"},
            {"absent.safetensors", "no such file"}
        };
    }

    @Test(dataProvider = "shards")
    public void badShardIsNamed(String shard, String word) throws Exception {
        Path folder = Fixtures.copyOf("llama_tied_shards");
        Path index = folder.resolve("model.safetensors.index.json");
        String text = Files.readString(index);
        Files.writeString(index, text.replaceFirst("model-00001-of-00004.safetensors", shard));
        refused(word, () -> Checkpoint.open(folder));
    }

    private static void refused(String word, Assert.ThrowingRunnable code) {
        CheckpointException e = Assert.expectThrows(CheckpointException.class, code);
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
    }

    /** Types and shapes that no model here computes with are no fault of those that it does. */
    @Test
    public void otherTypesAreLeftAlone() throws Exception {
        String header =
                "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]},"
                        + "\"b\":{\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[4,12]},"
                        + "\"c\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[12,12]},"
                        + "\"d\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[12,14]},"
                        + "\"e\":{\"dtype\":\"NEW\",\"shape\":[3],\"data_offsets\":[14,17]},"
                        + "\"f\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[17,21]}}";
        Path folder = Files.createTempDirectory("checkpoint");
        Files.write(folder.resolve("model.safetensors"), file(header, 21));
        Checkpoint checkpoint = Checkpoint.open(folder);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray f = checkpoint.read(manager, "f", new Shape(), TorchType.FLOAT32);
            Assert.assertEquals(f.getFloat(), 0f);
            refused(
                    "tensor 'a': expected float32, float16 or bfloat16, found F8_E4M3",
                    () -> checkpoint.read(manager, "a", new Shape(4), TorchType.FLOAT32));
        }
    }

    /** Any header ends in a file that can be read, or in an error that names it. */
    @Test
    public void spoiltHeadersAreNamed() throws Exception {
        Random random = new Random(5);
        String header =
                "{\"__metadata__\":{\"format\":\"pt\"},\"a\":"
                        + F32
                        + ",\"b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[8,12]}}";
        JsonObject seed = JsonParser.parseString(header).getAsJsonObject();
        JsonMutator mutator = new JsonMutator(random, JsonMutator.words(List.of(seed)));
        Path path = Files.createTempFile("spoilt", ".safetensors");
        int refused = 0;
        for (int n = 0; n < 3000; ++n) {
            Files.write(path, file(mutator.mutate(seed), random.nextInt(4) * 4));
            try {
                SafetensorsFile.open(path);
            } catch (CheckpointException e) {
                ++refused;
                Assert.assertTrue(e.getMessage().contains(path.toString()), e.getMessage());
            }
        }
        Assert.assertTrue(refused > 1000 && refused < 3000, "refused " + refused);
    }

    private static byte[] spoilt(byte[] file) {
        for (int i = 0; i < file.length; ++i) {
            if (file[i] == (byte) 0xc3) {
                file[i] = (byte) 0xff;
            }
        }
        return file;
    }

    private static byte[] file(String header, int dataBytes) {
        int length = header.getBytes(StandardCharsets.UTF_8).length;
        return file(length, header, dataBytes);
    }

    private static byte[] file(long headerLength, String header, int dataBytes) {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer file =
                ByteBuffer.allocate(8 + text.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        return file.putLong(headerLength).put(text).array();
    }
}

package io.pbsattn.kernels;

import io.pbsattn.ChildJvm;
import io.pbsattn.util.Sha256;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.SkipException;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Whatever lies in the cache, a whole library comes out, or a reason that says what to do. */
public class NativeLibraryFileTest {

    private Path cache;
    private Path file;
    private byte[] whole;

    @BeforeMethod
    public void unpackOnce() throws IOException {
        cache = Files.createTempDirectory("cache");
        file = NativeLibraryFile.unpack(cache);
        whole = Files.readAllBytes(file);
    }

    @DataProvider
    public Object[][] damages() throws IOException {
        Path other = Path.of(System.getProperty("java.home"), "lib", "libverify.so");
        if (!Files.exists(other)) {
            throw new SkipException("no " + other);
        }
        return new Object[][] {
            {"empty", (Damage) content -> new byte[0]},
            {"100,000 bytes", (Damage) content -> Arrays.copyOf(content, 100_000)},
            {"last byte missing", (Damage) c -> Arrays.copyOf(c, c.length - 1)},
            {"another library", (Damage) content -> Files.readAllBytes(other)},
            {"text", (Damage) content -> "no library".getBytes(StandardCharsets.US_ASCII)},
            {
                "one bit",
                (Damage)
                        content -> {
                            byte[] bytes = content.clone();
                            bytes[bytes.length / 2] ^= 1;
                            return bytes;
                        }
            },
        };
    }

    /** What becomes of a file's content. */
    private interface Damage {
        byte[] of(byte[] content) throws IOException;
    }

    @Test(dataProvider = "damages")
    public void isHealed(String name, Damage damage) throws IOException {
        Files.write(file, damage.of(whole));
        Assert.assertEquals(NativeLibraryFile.unpack(cache), file);
        Assert.assertEquals(Files.readAllBytes(file), whole, name);
        try (Stream<Path> files = Files.list(file.getParent())) {
            Assert.assertEquals(files.toList(), List.of(file));
        }
    }

    @Test
    public void isLeftAloneWhereItIsWhole() throws IOException {
        Object before = Files.readAttributes(file, "unix:ino").get("ino");
        Assert.assertEquals(NativeLibraryFile.unpack(cache), file);
        Assert.assertEquals(Files.readAttributes(file, "unix:ino").get("ino"), before);
    }

    /** Whoever reads a pipe waits for somebody to write. */
    @Test(timeOut = 60_000)
    public void isHealedWhereAPipeIs() throws Exception {
        Files.delete(file);
        Assert.assertEquals(new ProcessBuilder("mkfifo", file.toString()).start().waitFor(), 0);
        Assert.assertEquals(NativeLibraryFile.unpack(cache), file);
        Assert.assertEquals(Files.readAllBytes(file), whole);
    }

    /** A folder that somebody made is not removed. */
    @Test
    public void saysThatAFolderIsInItsPlace() throws IOException {
        Files.delete(file);
        Files.createDirectory(file);
        Path inside = Files.createFile(file.resolve("inside"));
        assertReason(cache, file.toString());
        Assert.assertTrue(Files.exists(inside));
    }

    /** Nobody can write there, not even root, for whom no folder is read-only. */
    @Test
    public void saysThatTheCacheCannotBeWritten() throws IOException {
        Path noFolder = Files.createFile(cache.resolve("no-folder"));
        assertReason(noFolder, noFolder.toString());
        assertReason(Path.of("/proc/pbs-attn"), "/proc/pbs-attn");
    }

    private static void assertReason(Path cache, String name) {
        IOException e =
                Assert.expectThrows(IOException.class, () -> NativeLibraryFile.unpack(cache));
        Assert.assertTrue(e.getMessage().contains(name), e.getMessage());
        Assert.assertTrue(e.getMessage().contains("DJL_CACHE_DIR"), e.getMessage());
    }

    /** Several processes find the same damage at once; each loads a whole library. */
    @Test(dataProvider = "damages")
    public void processesAtOnceHealAndLoad(String name, Damage damage) throws IOException {
        // As Utils.getEngineCacheDir has it.
        Path folder = Files.createDirectory(cache.resolve("pbs-attn"));
        Path inCache = NativeLibraryFile.unpack(folder);
        Files.write(inCache, damage.of(whole));
        Map<String, String> environment =
                Map.of(
                        "DJL_CACHE_DIR",
                        cache.toString(),
                        "ENGINE_CACHE_DIR",
                        cache.toString(),
                        "PBS_ATTN_ISA",
                        "scalar");
        List<ChildJvm> processes = new ArrayList<>();
        for (int i = 0; i < 2; ++i) {
            processes.add(ChildJvm.start(environment, NativeKernelsMain.class));
        }
        for (ChildJvm process : processes) {
            String printed = process.join();
            Assert.assertTrue(printed.contains("loaded: scalar"), name + ": " + printed);
        }
        Assert.assertEquals(Sha256.hex(inCache), Sha256.hex(whole));
    }

    /** The kernels are refused, and the process goes on. */
    @Test
    public void aProcessWithoutAUsableCacheGoesOn() throws IOException {
        Path noFolder = Files.createFile(cache.resolve("no-folder"));
        String printed =
                ChildJvm.start(
                                Map.of(
                                        "DJL_CACHE_DIR",
                                        noFolder.toString(),
                                        "ENGINE_CACHE_DIR",
                                        noFolder.toString()),
                                NativeKernelsMain.class)
                        .join();
        Assert.assertTrue(printed.contains("refused: "), printed);
        Assert.assertTrue(printed.contains(noFolder.toString()), printed);
    }

    @Test
    public void anUnknownInstructionSetIsRefusedByName() {
        String printed =
                ChildJvm.start(Map.of("PBS_ATTN_ISA", "mmx"), NativeKernelsMain.class).join();
        Assert.assertTrue(printed.contains("refused: PBS_ATTN_ISA"), printed);
        Assert.assertTrue(printed.contains("'mmx'"), printed);
        Assert.assertTrue(printed.contains("scalar"), printed);
    }
}

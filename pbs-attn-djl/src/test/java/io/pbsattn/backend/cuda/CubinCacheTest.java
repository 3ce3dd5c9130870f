package io.pbsattn.backend.cuda;

import io.pbsattn.backend.cuda.CubinCache.CompilationException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Compiled kernels on disk: made once, whole or not at all, whoever else is at it. */
public class CubinCacheTest {

    private static final byte[] IMAGE = "machine code".getBytes(StandardCharsets.UTF_8);

    private final AtomicInteger compilations = new AtomicInteger();
    private Path folder;
    private CubinCache cache;

    @BeforeMethod
    public void makeFolder() throws IOException {
        folder = Files.createTempDirectory("nvrtc").resolve("made-when-needed");
        cache = new CubinCache(folder);
        compilations.set(0);
    }

    @Test
    public void compilesOnceForAKey() throws CompilationException {
        Assert.assertEquals(get("source", "sm_80", "12080"), IMAGE);
        Assert.assertEquals(get("source", "sm_80", "12080"), IMAGE);
        Assert.assertEquals(compilations.get(), 1);
        get("source", "sm_90a", "12080");
        get("source", "sm_80", "13000");
        get("source ", "sm_80", "12080");
        Assert.assertEquals(compilations.get(), 4, "target, version and source count");
        Assert.assertNotEquals(CubinCache.name("ab", "c"), CubinCache.name("a", "bc"));
    }

    @Test
    public void damagedFilesAreMadeAgain() throws CompilationException, IOException {
        get("key");
        Path file = folder.resolve(CubinCache.name("key"));
        byte[] whole = Files.readAllBytes(file);
        for (byte[] damaged :
                new byte[][] {
                    {}, java.util.Arrays.copyOf(whole, whole.length - 1), flipped(whole)
                }) {
            Files.write(file, damaged);
            Assert.assertEquals(get("key"), IMAGE);
            Assert.assertEquals(Files.readAllBytes(file), whole);
        }
        Assert.assertEquals(compilations.get(), 4);
    }

    private static byte[] flipped(byte[] bytes) {
        byte[] copy = bytes.clone();
        copy[copy.length - 1] ^= 1;
        return copy;
    }

    @Test
    public void failedCompilationLeavesNothing() throws IOException {
        Assert.expectThrows(
                CompilationException.class,
                () ->
                        cache.get(
                                () -> {
                                    throw new CompilationException("no");
                                },
                                "key"));
        Assert.assertFalse(Files.exists(folder));
    }

    /** A file stands where the folder should be: nobody can write there, not even root. */
    @Test
    public void folderThatCannotBeWrittenOnlyCostsTime() throws Exception {
        Files.createFile(folder);
        Assert.assertEquals(get("key"), IMAGE);
        Assert.assertEquals(get("key"), IMAGE);
        Assert.assertEquals(compilations.get(), 2);
    }

    /** Each with its own cache object, as processes have. */
    @Test
    public void manyAtOnceAllGetTheImageAndLeaveOneFile() throws Exception {
        int threads = 8;
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        CyclicBarrier together = new CyclicBarrier(threads);
        byte[] large = new byte[3 << 20];
        java.util.Arrays.fill(large, (byte) 42);
        List<Future<byte[]>> found = new ArrayList<>();
        for (int i = 0; i < threads; ++i) {
            Callable<byte[]> task =
                    () -> {
                        together.await();
                        return new CubinCache(folder).get(() -> large, "key");
                    };
            found.add(pool.submit(task));
        }
        for (Future<byte[]> image : found) {
            Assert.assertEquals(image.get(), large);
        }
        pool.shutdown();
        try (Stream<Path> files = Files.list(folder)) {
            Assert.assertEquals(
                    files.map(f -> f.getFileName().toString()).toList(),
                    List.of(CubinCache.name("key")));
        }
    }

    private byte[] get(String... key) throws CompilationException {
        return cache.get(
                () -> {
                    compilations.incrementAndGet();
                    return IMAGE;
                },
                key);
    }
}

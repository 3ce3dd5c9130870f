package io.pbsattn.zoo.djl;

import io.pbsattn.ChildJvm;
import java.util.List;
import java.util.Map;
import org.testng.Assert;
import org.testng.annotations.Test;

/** A model that is closed while threads predict ends each of them by an exception. */
public class CloseWhilePredictingTest {

    private static final int ROUNDS = 20;
    private static final int THREADS = 6;

    /** Makes glibc give freed arrays back to the system at once, so that reading one is fatal. */
    private static final Map<String, String> STRICT_HEAP =
            Map.of("MALLOC_MMAP_THRESHOLD_", "4096", "MALLOC_MMAP_MAX_", "1000000");

    @Test
    public void endsEachThreadByAnException() {
        String printed =
                ChildJvm.start(
                                STRICT_HEAP,
                                CloseWhilePredictingMain.class,
                                "" + ROUNDS,
                                "float32",
                                "bfloat16")
                        .join();
        List<String> ends = printed.lines().filter(line -> line.startsWith("ended by ")).toList();
        Assert.assertEquals(ends.size(), ROUNDS * THREADS, printed);
        for (String end : ends) {
            Assert.assertTrue(end.contains("IllegalStateException"), end);
        }
    }
}

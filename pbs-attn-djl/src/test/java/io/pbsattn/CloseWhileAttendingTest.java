package io.pbsattn;

import java.util.List;
import java.util.Map;
import org.testng.Assert;
import org.testng.annotations.Test;

/** Arrays that are closed while threads attend to them end these by an exception each. */
public class CloseWhileAttendingTest {

    private static final int ROUNDS = 20;
    private static final int THREADS = 3;

    @Test
    public void endsEachThreadByAnException() {
        String printed =
                ChildJvm.start(Map.of(), CloseWhileAttendingMain.class, "" + ROUNDS).join();
        List<String> ends = printed.lines().filter(line -> line.startsWith("ended by ")).toList();
        Assert.assertEquals(ends.size(), ROUNDS * THREADS, printed);
        for (String end : ends) {
            Assert.assertTrue(end.contains("IllegalStateException"), end);
        }
    }
}

package io.pbsattn.util;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.testng.Assert;
import org.testng.annotations.Test;

public class SharedResourceTest {

    private final AtomicInteger released = new AtomicInteger();

    private SharedResource open(String name) {
        released.set(0);
        return new SharedResource(name, released::incrementAndGet);
    }

    @Test
    public void isReleasedOnceWhenItIsClosed() {
        SharedResource resource = open("the model");
        Assert.assertEquals(resource.use(() -> "result"), "result");
        Assert.assertEquals(released.get(), 0);
        resource.close();
        resource.close();
        Assert.assertEquals(released.get(), 1);
        IllegalStateException e =
                Assert.expectThrows(IllegalStateException.class, () -> resource.use(() -> 1));
        Assert.assertEquals(e.getMessage(), "the model has been closed");
        Assert.assertEquals(released.get(), 1);
    }

    /** Also where the thread that uses it closes it. */
    @Test
    public void isReleasedByItsLastUse() {
        SharedResource resource = open("the model");
        int seen =
                resource.use(
                        () -> {
                            resource.use(
                                    () -> {
                                        resource.close();
                                        return null;
                                    });
                            Assert.expectThrows(IllegalStateException.class, resource::requireOpen);
                            return released.get();
                        });
        Assert.assertEquals(seen, 0);
        Assert.assertEquals(released.get(), 1);
    }

    @Test
    public void aFailedUseEnds() {
        SharedResource resource = open("the model");
        SharedResource closed = new SharedResource("the cache", () -> {});
        closed.close();
        IllegalStateException e =
                Assert.expectThrows(
                        IllegalStateException.class,
                        () -> SharedResource.use(List.of(resource, closed), () -> 1));
        Assert.assertEquals(e.getMessage(), "the cache has been closed");
        Assert.expectThrows(
                ArithmeticException.class, () -> resource.use(() -> 1 / released.get()));
        resource.close();
        Assert.assertEquals(released.get(), 1);
    }

    @Test
    public void threadsNeverSeeItReleased() throws Exception {
        int threads = 4;
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        for (int round = 0; round < 200; ++round) {
            AtomicBoolean isOpen = new AtomicBoolean(true);
            SharedResource resource = new SharedResource("it", () -> isOpen.set(false));
            CyclicBarrier start = new CyclicBarrier(threads + 1);
            List<Future<?>> runs = new ArrayList<>();
            for (int i = 0; i < threads; ++i) {
                runs.add(
                        pool.submit(
                                () -> {
                                    start.await();
                                    while (true) {
                                        Assert.assertTrue(resource.use(isOpen::get));
                                    }
                                }));
            }
            start.await();
            resource.close();
            for (Future<?> run : runs) {
                ExecutionException e =
                        Assert.expectThrows(ExecutionException.class, () -> run.get());
                Assert.assertTrue(e.getCause() instanceof IllegalStateException, "" + e);
            }
            Assert.assertFalse(isOpen.get());
        }
        pool.shutdown();
    }
}

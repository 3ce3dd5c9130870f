package io.pbsattn;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Threads attend to the same arrays until their manager is closed; for a process of its own, which
 * a mistake would end. Prints what each thread met.
 */
public final class CloseWhileAttendingMain {

    private static final int THREADS = 3;
    private static final Shape SHAPE = new Shape(1, 4, 2000, 128);

    private CloseWhileAttendingMain() {}

    /** Runs as many rounds as the argument says. */
    public static void main(String[] args) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        PbsAttention operator = PbsAttention.create(PbsConfig.builder().build());
        Random random = new Random(3);
        for (int round = 0; round < Integer.parseInt(args[0]); ++round) {
            NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
            NDArray q = manager.randomNormal(SHAPE);
            NDArray k = manager.randomNormal(SHAPE);
            NDArray v = manager.randomNormal(SHAPE);
            List<Future<?>> runs = new ArrayList<>();
            for (int i = 0; i < THREADS; ++i) {
                runs.add(
                        threads.submit(
                                () -> {
                                    while (true) {
                                        operator.forward(q, k, v).close();
                                    }
                                }));
            }
            Thread.sleep(5 + random.nextInt(60));
            manager.close();
            for (Future<?> run : runs) {
                try {
                    run.get(1, TimeUnit.MINUTES);
                } catch (ExecutionException e) {
                    System.out.println("ended by " + e.getCause());
                }
            }
        }
        threads.shutdown();
    }
}

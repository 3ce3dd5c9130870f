package io.pbsattn.zoo.djl;

import ai.djl.Device;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.NoopTranslator;
import io.pbsattn.zoo.Fixtures;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Threads predict until their model is closed, in text, in streams and in ids; for a process of its
 * own, which a mistake would end. Prints what each thread met.
 */
public final class CloseWhilePredictingMain {

    private static final int THREADS = 6;

    private CloseWhilePredictingMain() {}

    /** Runs as many rounds as the first argument says, in the types that the others name. */
    public static void main(String[] args) throws Exception {
        Random random = new Random(11);
        for (int round = 0; round < Integer.parseInt(args[0]); ++round) {
            String dtype = args[1 + round % (args.length - 1)];
            ZooModel<String, String> model =
                    Decoders.criteria(String.class, String.class, Fixtures.RETRIEVER)
                            .optArgument("dtype", dtype)
                            .optArgument("attention.min_length", round % 3 == 0 ? "3072" : "0")
                            .optArgument("max_new_tokens", "8")
                            .build()
                            .loadModel();
            ExecutorService threads = Executors.newFixedThreadPool(THREADS);
            List<Future<?>> runs = new ArrayList<>();
            for (int t = 0; t < THREADS; ++t) {
                Callable<Void> work = work(model, t);
                runs.add(threads.submit(work));
            }
            Thread.sleep(20 + random.nextInt(400));
            model.close();
            for (Future<?> run : runs) {
                try {
                    run.get(1, TimeUnit.MINUTES);
                } catch (ExecutionException e) {
                    System.out.println("ended by " + root(e));
                }
            }
            threads.shutdown();
        }
    }

    /** What predicts for ever. */
    private static Callable<Void> work(ZooModel<String, String> model, int thread) {
        String message = message(thread);
        return switch (thread % 3) {
            case 0 ->
                    () -> {
                        try (Predictor<String, String> predictor = model.newPredictor()) {
                            while (true) {
                                predictor.predict(message);
                            }
                        }
                    };
            case 1 ->
                    () -> {
                        try (Predictor<String, String> predictor = model.newPredictor()) {
                            while (true) {
                                predictor.batchPredict(List.of(message, message + "?", "Why?"));
                            }
                        }
                    };
            default ->
                    () -> {
                        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
                                Predictor<NDList, NDList> predictor =
                                        model.newPredictor(new NoopTranslator())) {
                            NDArray ids =
                                    manager.ones(new Shape(1, 600)).toType(DataType.INT64, false);
                            while (true) {
                                predictor.predict(new NDList(ids)).close();
                            }
                        }
                    };
        };
    }

    private static String message(int thread) {
        StringBuilder text =
                new StringBuilder("The access code of the amber falcon is " + (10000 + thread));
        while (text.length() < 3000) {
            text.append(". The river number ").append(text.length()).append(" runs past the mill");
        }
        return text + ".\nQuestion: what is the access code of the amber falcon?";
    }

    private static Throwable root(Throwable e) {
        return e.getCause() == null ? e : root(e.getCause());
    }
}

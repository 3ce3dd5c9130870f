package io.pbsattn.torchscript;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import io.pbsattn.Arrays4;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.BinaryOperator;
import org.testng.Assert;
import org.testng.annotations.BeforeSuite;
import org.testng.annotations.Test;

public class SdpaInterceptorTest {

    private static final PbsConfig ALL =
            PbsConfig.builder().optMinLength(0).optThreshold(1).build();

    /** One call of PyTorch's operator, and where it goes with {@link #ALL}. */
    private record Case(
            SdpaRoute route,
            TorchType type,
            Shape q,
            Shape k,
            long widthOfV,
            boolean hasMask,
            boolean isCausal,
            Double scale,
            boolean enableGqa) {

        NDArray run(NDManager manager) {
            Random random = new Random(3);
            NDArray queries = cast(manager, Arrays4.normal(manager, random, q.getShape()));
            NDArray keys = cast(manager, Arrays4.normal(manager, random, k.getShape()));
            long[] v = k.getShape().clone(); // it is the shape's own array
            v[v.length - 1] = widthOfV;
            NDArray values = cast(manager, Arrays4.normal(manager, random, v));
            NDArray mask = randomMask(manager, random, rows(q), rows(k));
            Optional<NDArray> optional = hasMask ? Optional.of(mask) : Optional.empty();
            return attend(
                    manager,
                    queries,
                    keys,
                    values,
                    optional,
                    0.0,
                    isCausal,
                    Optional.ofNullable(scale),
                    enableGqa);
        }

        private static long rows(Shape shape) {
            return shape.get(shape.dimension() - 2);
        }

        /** Every query sees the first key, and others at random. */
        private static NDArray randomMask(
                NDManager manager, Random random, long rows, long columns) {
            boolean[] allowed = new boolean[(int) (rows * columns)];
            for (int i = 0; i < allowed.length; ++i) {
                allowed[i] = i % columns == 0 || random.nextInt(10) < 7;
            }
            return manager.create(allowed, new Shape(rows, columns));
        }

        private NDArray cast(NDManager manager, NDArray array) {
            return LibTorch.get().toType(manager, array, type);
        }
    }

    private static final List<Case> CASES =
            List.of(
                    of(SdpaRoute.PBS, TorchType.FLOAT32, 257, 257, true),
                    of(SdpaRoute.PBS, TorchType.BFLOAT16, 1000, 1000, true),
                    of(SdpaRoute.PBS, TorchType.FLOAT16, 255, 255, true),
                    of(SdpaRoute.TYPE, TorchType.FLOAT64, 257, 257, true),
                    of(SdpaRoute.FEW_QUERIES, TorchType.FLOAT32, 1, 300, false),
                    of(SdpaRoute.FEW_QUERIES, TorchType.FLOAT32, 127, 127, true),
                    of(SdpaRoute.NOT_CAUSAL, TorchType.FLOAT32, 300, 300, false),
                    of(SdpaRoute.NOT_CAUSAL, TorchType.BFLOAT16, 300, 170, false),
                    of(SdpaRoute.NOT_CAUSAL, TorchType.FLOAT32, 200, 300, true),
                    masked(TorchType.FLOAT32),
                    masked(TorchType.BFLOAT16),
                    new Case(
                            SdpaRoute.PBS,
                            TorchType.FLOAT32,
                            shape(4, 300),
                            shape(2, 300),
                            32,
                            false,
                            true,
                            0.3,
                            true),
                    new Case(
                            SdpaRoute.SCALE,
                            TorchType.FLOAT32,
                            shape(4, 300),
                            shape(4, 300),
                            32,
                            false,
                            true,
                            -0.3,
                            false),
                    new Case(
                            SdpaRoute.SHAPE,
                            TorchType.FLOAT32,
                            shape(4, 300),
                            shape(4, 300),
                            24,
                            false,
                            true,
                            null,
                            false),
                    new Case(
                            SdpaRoute.SHAPE,
                            TorchType.FLOAT32,
                            new Shape(2, 300, 32),
                            new Shape(2, 300, 32),
                            32,
                            false,
                            true,
                            null,
                            false));

    private static final List<float[]> before = new ArrayList<>();

    private static Case of(
            SdpaRoute route, TorchType type, long seqlenQ, long seqlenK, boolean isCausal) {
        return new Case(
                route,
                type,
                shape(2, seqlenQ),
                shape(2, seqlenK),
                32,
                false,
                isCausal,
                null,
                false);
    }

    private static Case masked(TorchType type) {
        return new Case(
                SdpaRoute.OTHER_MASK,
                type,
                shape(2, 200),
                shape(2, 300),
                32,
                true,
                false,
                null,
                false);
    }

    private static Shape shape(long heads, long rows) {
        return new Shape(2, heads, rows, 32);
    }

    private static NDArray attend(NDManager manager, Object... arguments) {
        return LibTorch.get()
                .call(manager, "aten::scaled_dot_product_attention", "", 1, arguments)[0];
    }

    private static NDArray causal(NDManager manager, NDArray q, NDArray k, NDArray v) {
        return attend(manager, q, k, v, Optional.empty(), 0.0, true, Optional.empty(), false);
    }

    /** Before all tests of the process, so nothing has installed the interceptor yet. */
    @BeforeSuite
    public void runWithoutInterceptor() {
        // Twice, for the reason that TorchScriptModelsTest gives.
        for (int run = 0; run < 2; ++run) {
            before.clear();
            for (Case c : CASES) {
                before.add(run(c));
            }
        }
    }

    private static float[] run(Case c) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(11);
            NDArray o = c.run(manager);
            return LibTorch.get().toType(manager, o, TorchType.FLOAT32).toFloatArray();
        }
    }

    @Test
    public void withoutAScopeEveryCallGivesTheSameBits() {
        SdpaInterceptor.install();
        for (int i = 0; i < CASES.size(); ++i) {
            Assert.assertEquals(run(CASES.get(i)), before.get(i), CASES.get(i).toString());
        }
    }

    @Test
    public void callsGoWhereTheyBelong() {
        for (int i = 0; i < CASES.size(); ++i) {
            Case c = CASES.get(i);
            try (SdpaScope scope = SdpaInterceptor.open(ALL);
                    NDManager manager = NDManager.newBaseManager("PyTorch")) {
                float[] found = run(c);
                Assert.assertEquals(scope.report().calls(c.route()), 1, c.toString());
                if (c.route() == SdpaRoute.PBS) {
                    double bound = c.type() == TorchType.FLOAT32 ? 1e-5 : 1e-2;
                    double error =
                            Arrays4.maxError(manager.create(found), manager.create(before.get(i)));
                    Assert.assertTrue(error < bound, c + ": " + error);
                } else {
                    Assert.assertEquals(found, before.get(i), c.toString());
                }
            }
        }
    }

    @Test
    public void aCausalMaskGivesWhatTheFlagGives() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SdpaScope scope = SdpaInterceptor.open(ALL)) {
            Random random = new Random(1);
            int n = 1000;
            NDArray q = normal(manager, random, 1, 4, n, 64);
            NDArray k = normal(manager, random, 1, 2, n, 64);
            NDArray mask =
                    manager.arange(n)
                            .reshape(n, 1)
                            .broadcast(n, n)
                            .gte(manager.arange(n).reshape(1, n).broadcast(n, n));
            NDArray flag =
                    attend(manager, q, k, k, Optional.empty(), 0.0, true, Optional.empty(), true);
            NDArray masked =
                    attend(manager, q, k, k, Optional.of(mask), 0.0, false, Optional.empty(), true);
            Assert.assertEquals(masked.toFloatArray(), flag.toFloatArray());
            Assert.assertEquals(scope.report().calls(SdpaRoute.PBS), 2);
        }
    }

    @Test
    public void shortSequencesAndDropoutStayWithPyTorch() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SdpaScope scope = SdpaInterceptor.open(PbsConfig.DEFAULT)) {
            NDArray q = normal(manager, new Random(1), 1, 2, 300, 32);
            causal(manager, q, q, q);
            Assert.assertEquals(scope.report().calls(SdpaRoute.SHORT), 1);
            attend(manager, q, q, q, Optional.empty(), 0.5, true, Optional.empty(), false);
            Assert.assertEquals(scope.report().calls(SdpaRoute.DROPOUT), 1);
        }
    }

    @Test
    public void gradientsFlowAsBefore() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SdpaScope scope = SdpaInterceptor.open(ALL)) {
            NDArray q = normal(manager, new Random(1), 1, 2, 200, 16);
            NDArray k = normal(manager, new Random(2), 1, 2, 200, 16);
            NDArray own = gradient(q, k, (a, b) -> causal(manager, a, b, b));
            Assert.assertEquals(scope.report().calls(SdpaRoute.GRADIENT), 1);
            NDArray kernel =
                    gradient(
                            q,
                            k,
                            (a, b) ->
                                    LibTorch.get()
                                            .call(
                                                    manager,
                                                    "aten::_scaled_dot_product_flash_attention_for_cpu",
                                                    "",
                                                    2,
                                                    a,
                                                    b,
                                                    b,
                                                    0.0,
                                                    true,
                                                    Optional.empty(),
                                                    Optional.empty())[0]);
            Assert.assertTrue(Arrays4.maxError(own, kernel) < 1e-6);
            Assert.assertTrue(own.abs().max().getFloat() > 0);
        }
    }

    private static NDArray gradient(NDArray q, NDArray k, BinaryOperator<NDArray> attention) {
        // Gradients add up in an array, so each run has one of its own.
        NDArray variable = q.duplicate();
        variable.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray o = attention.apply(variable, k);
            collector.backward(o.mul(o).sum());
        }
        return variable.getGradient();
    }

    @Test
    public void whatPyTorchRefusesHasNoResultToRead() {
        SdpaInterceptor.install();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray q = normal(manager, new Random(1), 1, 2, 30, 16);
            NDArray k = normal(manager, new Random(2), 1, 2, 30, 8);
            NDArray o = causal(manager, q, k, k);
            Assert.expectThrows(RuntimeException.class, o::toFloatArray);
            NDArray next = manager.ones(new Shape(1, 2, 30, 8));
            Assert.expectThrows(RuntimeException.class, () -> o.add(next).toFloatArray());
        }
    }

    @Test
    public void failuresAreThrownOnce() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray q = normal(manager, new Random(1), 1, 2, 200, 16);
            NDArray k = q.duplicate();
            k.set(new NDIndex("0, 1, 7, 3"), Float.NaN);
            SdpaScope scope = SdpaInterceptor.open(ALL);
            IllegalArgumentException thrown =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> scope.call(() -> causal(manager, q, k, q)));
            Assert.assertTrue(thrown.getMessage().startsWith("k"), thrown.getMessage());
            Assert.assertEquals(scope.call(() -> causal(manager, q, q, q)).getShape().get(2), 200);
            scope.close();

            SdpaScope unheard = SdpaInterceptor.open(ALL);
            causal(manager, q, k, q);
            Assert.expectThrows(IllegalArgumentException.class, unheard::close);
            unheard.close();
            Assert.assertNull(SdpaScope.current());
        }
    }

    @Test
    public void scopesNestAndBelongToTheirThread() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SdpaScope outer = SdpaInterceptor.open(ALL)) {
            NDArray q = normal(manager, new Random(1), 1, 2, 200, 16);
            try (SdpaScope inner = SdpaInterceptor.open(PbsConfig.DEFAULT)) {
                causal(manager, q, q, q);
                Assert.expectThrows(IllegalStateException.class, outer::close);
                Assert.assertEquals(inner.report().calls(SdpaRoute.SHORT), 1);
            }
            causal(manager, q, q, q);
            Assert.assertEquals(outer.report().calls().toString(), "{PBS=1}");
            Throwable[] thrown = new Throwable[1];
            Thread other =
                    new Thread(
                            () -> {
                                causal(manager, q, q, q);
                                thrown[0] =
                                        Assert.expectThrows(
                                                IllegalStateException.class, outer::close);
                            });
            other.start();
            other.join();
            Assert.assertNotNull(thrown[0]);
            Assert.assertEquals(outer.report().calls(SdpaRoute.PBS), 1);
        }
    }

    @Test
    public void tenThousandCallsLeakNothing() throws InterruptedException {
        // The JVM compiles what runs often, which takes memory of the same heap for a while.
        runAllKinds(10_000);
        long before = CHeap.bytesInUse();
        runAllKinds(10_000);
        long grown = CHeap.bytesInUse() - before;
        // One array of 32 KiB lost with every fourth call would be 80 MiB.
        Assert.assertTrue(grown < 16L << 20, "grown by " + (grown >> 10) + " KiB");
    }

    /** Calls of all kinds in turn: sparse, PyTorch's, failing, with optional arguments. */
    private static void runAllKinds(int calls) {
        for (int i = 0; i < calls; ++i) {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                NDArray q = manager.randomNormal(new Shape(1, 2, 128, 32));
                NDArray mask = manager.ones(new Shape(128, 128), DataType.BOOLEAN);
                boolean fails = i % 4 == 3;
                NDArray k = fails ? q.mul(Float.NaN) : q;
                Optional<NDArray> given = i % 4 == 1 ? Optional.of(mask) : Optional.empty();
                SdpaScope scope = SdpaInterceptor.open(ALL);
                attend(
                        manager,
                        q,
                        k,
                        q,
                        given,
                        0.0,
                        given.isEmpty() && i % 4 != 2,
                        Optional.of(0.2),
                        false);
                if (fails) {
                    Assert.expectThrows(IllegalArgumentException.class, scope::close);
                } else {
                    scope.close();
                }
            }
        }
    }

    private static NDArray normal(NDManager manager, Random random, long... shape) {
        return Arrays4.normal(manager, random, shape).toType(DataType.FLOAT32, false);
    }
}

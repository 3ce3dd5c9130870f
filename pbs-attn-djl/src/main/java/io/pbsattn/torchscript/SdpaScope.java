package io.pbsattn.torchscript;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.PbsAttention;
import io.pbsattn.util.WarnOnce;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.IntPredicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * While it is open, the attention of models that this thread runs goes through Permuted
 * Block-Sparse Attention where that fits. Made by {@link SdpaInterceptor#open}; scopes may be
 * nested, the innermost holds. To be closed by the thread that opened it.
 */
public final class SdpaScope implements AutoCloseable {

    private static final Logger logger = LoggerFactory.getLogger(SdpaScope.class);

    private static final ThreadLocal<SdpaScope> INNERMOST = new ThreadLocal<>();

    private final SdpaScope outer = INNERMOST.get();
    private final Thread owner = Thread.currentThread();
    private final SdpaStatistics statistics;
    private final SdpaRouter router;
    private final CausalAttention attention;
    private SdpaObserver observer = (route, q, k, v, output) -> {};
    private IntPredicate denseCalls = call -> false;
    private int calls;
    private Throwable failure;
    private boolean isClosed;

    SdpaScope(PbsAttention operator, SdpaStatistics statistics) {
        this.statistics = statistics;
        router = new SdpaRouter(operator.config());
        attention = new CausalAttention(operator);
        INNERMOST.set(this);
    }

    /** The innermost scope of this thread, null if there is none. */
    static SdpaScope current() {
        return INNERMOST.get();
    }

    /**
     * Runs a model, so that what fails inside attention reaches the caller as it was thrown. What
     * the model throws because of it is added as a suppressed exception.
     *
     * @param <T> what the model returns
     * @param run for instance {@code () -> predictor.predict(input)}
     * @return what it returned
     * @throws Exception what {@code run} threw, or what attention threw inside
     */
    public <T> T call(Callable<T> run) throws Exception {
        T result;
        try {
            result = run.call();
        } catch (Exception e) {
            throwFailure(e);
            throw e;
        }
        throwFailure(null);
        return result;
    }

    /**
     * Shows every call to somebody, for instance to compare a model layer by layer.
     *
     * @param callObserver what it throws ends the model's run, as a failure of attention does
     * @return this scope
     */
    public SdpaScope optObserver(SdpaObserver callObserver) {
        observer = callObserver;
        return this;
    }

    /**
     * Leaves calls to PyTorch, for instance those of layers whose attention is not sparse.
     *
     * @param which is asked for each call by its index in this scope, from 0; a model that runs
     *     once in the scope makes one call a layer, in their order
     * @return this scope
     */
    public SdpaScope optDenseCalls(IntPredicate which) {
        denseCalls = which;
        return this;
    }

    /**
     * Tells what became of the calls so far.
     *
     * @return counts by reason, density and times
     */
    public SdpaReport report() {
        return statistics.report();
    }

    /**
     * Ends the scope.
     *
     * @throws IllegalStateException if another thread opened it, or a scope inside is still open
     * @throws RuntimeException what attention threw, if nobody has seen it yet
     */
    @Override
    public void close() {
        if (isClosed) {
            return;
        }
        if (owner != Thread.currentThread() || INNERMOST.get() != this) {
            throw new IllegalStateException(
                    "a scope is closed by the thread that opened it ("
                            + owner.getName()
                            + "), the innermost first");
        }
        isClosed = true;
        if (outer == null) {
            INNERMOST.remove();
        } else {
            INNERMOST.set(outer);
        }
        throwFailure(null);
    }

    /**
     * Runs a call of attention.
     *
     * @return the output; an unreadable one if it failed, which {@link #throwFailure} tells
     */
    NDArray run(NDManager scope, SdpaCall call) {
        try {
            SdpaRouter.Decision decision =
                    denseCalls.test(calls++)
                            ? SdpaRouter.Decision.torch(SdpaRoute.DENSE_CALL)
                            : router.decide(call);
            SdpaRoute route = route(decision, call);
            NDArray output =
                    route == SdpaRoute.PBS
                            ? attention.forward(scope, call, decision.spans(), statistics)
                            : TorchSdpa.forward(scope, call);
            statistics.add(route);
            observer.attended(route, call.q(), call.k(), call.v(), output);
            return output;
        } catch (Throwable e) {
            // It cannot pass through libtorch, so it waits here for the model to end.
            statistics.add(SdpaRoute.FAILED);
            if (failure == null) {
                failure = e;
            } else {
                failure.addSuppressed(e);
            }
            return call.unreadableOutput(scope);
        }
    }

    /** Where a call goes once the kernels are asked too; says once that it falls back. */
    private SdpaRoute route(SdpaRouter.Decision decision, SdpaCall call) {
        SdpaRoute route = decision.route();
        String reason = route.reason();
        if (route == SdpaRoute.PBS) {
            Optional<String> refusal = attention.refusal(call);
            if (refusal.isPresent()) {
                route = SdpaRoute.NO_KERNEL;
                reason = route.reason() + ". " + refusal.get();
                statistics.addKernelRefusal(refusal.get());
            }
        }
        if (route.isFall()) {
            WarnOnce.warn(
                    logger, "Attention of a TorchScript model runs dense, on PyTorch: " + reason);
        }
        return route;
    }

    /** Throws what attention threw, once; the model's own exception says only that it failed. */
    void throwFailure(Exception ofModel) {
        Throwable cause = failure;
        failure = null;
        if (cause == null) {
            return;
        }
        if (ofModel != null) {
            cause.addSuppressed(ofModel);
        }
        if (cause instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) cause;
    }
}

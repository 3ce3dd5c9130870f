package io.pbsattn.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/** An operator of PyTorch that is written in Java; called by any thread that runs a model. */
@FunctionalInterface
public interface JavaOperator {

    /**
     * Computes the operator's only result.
     *
     * @param scope owns the arguments and is closed after the call
     * @param arguments as {@link ArgumentKind} says; {@link LibTorch#call} takes them as they are
     * @return the result, of any manager; {@link LibTorch#unreadable} after a failure
     */
    NDArray apply(NDManager scope, Object[] arguments);
}

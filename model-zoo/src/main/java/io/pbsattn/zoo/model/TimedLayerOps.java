package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import io.pbsattn.layer.LayerOps;

/** Adds up the time that one prefill spends in linear layers. */
final class TimedLayerOps extends HookedLayerOps {

    private long nanos;

    TimedLayerOps(LayerOps ops) {
        super(ops);
    }

    double seconds() {
        return nanos / 1e9;
    }

    /** {@inheritDoc} */
    @Override
    void readWeights(NDArray x, Runnable call) {
        long start = System.nanoTime();
        call.run();
        nanos += System.nanoTime() - start;
    }
}

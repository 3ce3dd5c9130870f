package io.pbsattn.zoo.model;

import ai.djl.ndarray.NDArray;
import io.pbsattn.layer.LayerOps;
import io.pbsattn.layer.Linear;

/**
 * The gated feed-forward network (SwiGLU).
 *
 * @param gate (hidden to intermediate), goes through SiLU
 * @param up (hidden to intermediate)
 * @param down (intermediate to hidden)
 */
record Mlp(Linear gate, Linear up, Linear down) {

    /**
     * Adds what the network makes of x to the residual stream.
     *
     * @param x (rows, hidden)
     * @param wide (rows, intermediate), overwritten
     * @param residual (rows, hidden), added to
     */
    void addTo(LayerOps ops, NDArray x, NDArray wide, NDArray residual) {
        ops.gated(x, gate, up, wide);
        ops.addLinear(wide, down, residual);
    }
}

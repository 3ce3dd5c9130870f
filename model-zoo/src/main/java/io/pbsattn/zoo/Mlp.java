package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
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

    /** Adds what the network makes of x (rows, hidden) to the residual stream, shaped alike. */
    void addTo(LayerOps ops, NDManager manager, NDArray x, NDArray residual) {
        ops.addLinear(ops.gated(manager, x, gate, up), down, residual);
    }
}

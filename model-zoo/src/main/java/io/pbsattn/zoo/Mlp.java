package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Activation;

/**
 * The gated feed-forward network (SwiGLU).
 *
 * @param gate (hidden to intermediate), goes through SiLU
 * @param up (hidden to intermediate)
 * @param down (intermediate to hidden)
 */
record Mlp(Linear gate, Linear up, Linear down) {

    /** Maps (..., hidden) to (..., hidden). */
    NDArray apply(NDArray x) {
        NDArray g = gate.apply(x);
        return down.apply(Activation.sigmoid(g).muli(g).muli(up.apply(x)));
    }
}

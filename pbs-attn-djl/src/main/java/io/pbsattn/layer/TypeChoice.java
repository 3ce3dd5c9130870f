package io.pbsattn.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds which type linear layers are faster in. Matrix units make it bfloat16; of other CPUs that
 * know bfloat16 some are faster in it and some slower, so there it is measured.
 */
final class TypeChoice {

    private static final Logger logger = LoggerFactory.getLogger(TypeChoice.class);

    private static final Shape INPUT = new Shape(1024, 1024);
    private static final Shape WEIGHT = new Shape(1024, 1024);
    private static final int ROUNDS = 3;

    private TypeChoice() {}

    static boolean isBfloat16Faster() {
        return Measured.FASTER;
    }

    private static double seconds(NDManager manager, TorchType type) {
        LayerOps ops = LayerOps.of(type);
        NDArray x = LibTorch.get().toType(manager, manager.ones(INPUT), type);
        NDArray weight = LibTorch.get().toType(manager, manager.ones(WEIGHT), type);
        Shape shape = new Shape(INPUT.get(0), WEIGHT.get(0));
        NDList output = new NDList(LibTorch.get().empty(manager, shape, type));
        double best = Double.POSITIVE_INFINITY;
        for (int round = 0; round < ROUNDS; ++round) {
            long start = System.nanoTime();
            ops.linear(x, List.of(new Linear(weight, null)), output);
            best = Math.min(best, (System.nanoTime() - start) / 1e9);
        }
        return best;
    }

    /** Measured when first asked for. */
    private static final class Measured {

        static final boolean FASTER = measure();

        private static boolean measure() {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                if (NativeLayer.get().maxLinearRows() == Long.MAX_VALUE) {
                    return true;
                }
                double bfloat16 = seconds(manager, TorchType.BFLOAT16);
                double float32 = seconds(manager, TorchType.FLOAT32);
                logger.info(
                        "Linear layers in bfloat16 take {} of the time of float32",
                        String.format("%.2f", bfloat16 / float32));
                return bfloat16 < float32;
            } catch (IllegalStateException e) {
                logger.info("Models compute in float32: {}", e.getMessage());
                return false;
            }
        }
    }
}

package io.pbsattn.torchscript;

import ai.djl.ndarray.types.Shape;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.TorchType;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** Decides which calls of scaled dot product attention are causal attention over long sequences. */
final class SdpaRouter {

    private final PbsConfig config;

    SdpaRouter(PbsConfig config) {
        this.config = config;
    }

    /**
     * Where a call goes.
     *
     * @param route why
     * @param spans for {@link SdpaRoute#PBS} what to compute of each sequence, else empty
     */
    record Decision(SdpaRoute route, List<CausalSpan> spans) {

        static Decision torch(SdpaRoute route) {
            return new Decision(route, List.of());
        }
    }

    /** Cheap questions first: most calls of decoding end at one of them. */
    Decision decide(SdpaCall call) {
        if (!hasOurShape(call)) {
            return Decision.torch(SdpaRoute.SHAPE);
        }
        TorchType type = TorchType.of(call.q());
        if (!isOurType(type) || TorchType.of(call.k()) != type || TorchType.of(call.v()) != type) {
            return Decision.torch(SdpaRoute.TYPE);
        }
        if (call.dropout() != 0) {
            return Decision.torch(SdpaRoute.DROPOUT);
        }
        if (call.recordsGradients()) {
            return Decision.torch(SdpaRoute.GRADIENT);
        }
        double scale = call.scale().orElse(1.0);
        if (!(scale > 0) || Double.isInfinite(scale)) {
            return Decision.torch(SdpaRoute.SCALE);
        }
        int seqlenQ = (int) call.q().getShape().get(2);
        int seqlenK = (int) call.k().getShape().get(2);
        if (seqlenQ < config.blockSize()) {
            return Decision.torch(SdpaRoute.FEW_QUERIES);
        }
        if (seqlenK < config.minLength(type)) {
            return Decision.torch(SdpaRoute.SHORT);
        }
        return call.mask().isPresent() ? masked(call, seqlenQ, seqlenK) : unmasked(call);
    }

    private static Decision unmasked(SdpaCall call) {
        Shape q = call.q().getShape();
        // With fewer queries than keys PyTorch lets query i see keys 0 to i, which no model means.
        if (!call.isCausal() || q.get(2) != call.k().getShape().get(2)) {
            return Decision.torch(SdpaRoute.NOT_CAUSAL);
        }
        int rows = (int) q.get(2);
        return new Decision(
                SdpaRoute.PBS,
                Collections.nCopies((int) q.get(0), new CausalSpan(0, rows, 0, rows)));
    }

    private static Decision masked(SdpaCall call, int seqlenQ, int seqlenK) {
        if (call.isCausal()) {
            // PyTorch refuses a mask beside isCausal, and shall say so itself.
            return Decision.torch(SdpaRoute.OTHER_MASK);
        }
        int batch = (int) call.q().getShape().get(0);
        int heads = (int) call.q().getShape().get(1);
        Optional<List<CausalSpan>> spans =
                CausalMask.read(call.mask().get(), batch, heads, seqlenQ, seqlenK);
        return spans.map(s -> new Decision(SdpaRoute.PBS, s))
                .orElse(Decision.torch(SdpaRoute.OTHER_MASK));
    }

    private static boolean hasOurShape(SdpaCall call) {
        Shape q = call.q().getShape();
        Shape k = call.k().getShape();
        if (q.dimension() != 4 || k.dimension() != 4 || q.size() == 0 || k.size() == 0) {
            return false;
        }
        boolean headsFit = q.get(1) == k.get(1) || (call.enableGqa() && q.get(1) % k.get(1) == 0);
        return headsFit
                && k.equals(call.v().getShape())
                && q.get(0) == k.get(0)
                && q.get(3) == k.get(3);
    }

    private static boolean isOurType(TorchType type) {
        return type == TorchType.FLOAT32 || type == TorchType.BFLOAT16 || type == TorchType.FLOAT16;
    }
}

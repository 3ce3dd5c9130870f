package io.pbsattn.zoo.model;

import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.TorchType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The attention of one layer's prompt.
 *
 * @param operator sparse, or the same kernels with every block kept; null where dense attention is
 *     better left to PyTorch
 * @param window keys that a query sees, its own the last of them; 0 for all
 */
record LayerAttention(PbsAttention operator, int window) {

    private static final String REFERENCE = "reference";

    /**
     * The attention of each layer of a model: layers of the same kind share it.
     *
     * @throws IllegalArgumentException if an option names a layer that the model has not
     * @throws IllegalStateException if a forced backend cannot run here
     */
    static List<LayerAttention> ofLayers(
            DecoderConfig config, ModelOptions options, TorchType type) {
        options.denseLayers().check(config.numLayers());
        record Kind(boolean isDense, int window) {}
        Map<Kind, LayerAttention> kinds = new HashMap<>();
        List<LayerAttention> layers = new ArrayList<>();
        for (int l = 0; l < config.numLayers(); ++l) {
            boolean isDense =
                    options.attention() == AttentionKind.DENSE || options.denseLayers().contains(l);
            Kind kind = new Kind(isDense, config.windows().get(l));
            layers.add(
                    kinds.computeIfAbsent(
                            kind, k -> create(k.isDense(), k.window(), options, type)));
        }
        return List.copyOf(layers);
    }

    private static LayerAttention create(
            boolean isDense, int window, ModelOptions options, TorchType type) {
        PbsConfig.Builder builder = options.pbsConfig().toBuilder().optWindow(window);
        if (isDense) {
            builder.optThreshold(1);
        }
        PbsConfig settings = builder.build();
        PbsAttention attention =
                options.backend() == null
                        ? PbsAttention.create(settings)
                        : PbsAttention.create(settings, options.backend());
        boolean canUsePyTorch = type == TorchType.FLOAT32;
        boolean hasKernels = !REFERENCE.equals(attention.backendName());
        return new LayerAttention(
                isDense && canUsePyTorch && !hasKernels ? null : attention.withoutLse(), window);
    }

    /** The first key that the query at a position sees. */
    int firstKey(int position) {
        return window == 0 ? 0 : Math.max(0, position - window + 1);
    }

    String backendName() {
        return operator == null ? "pytorch" : operator.backendName();
    }
}

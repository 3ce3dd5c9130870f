package io.pbsattn.zoo.model;

import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.block.ModelAttention;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The attention of one layer's prompt.
 *
 * @param operator sparse, or the same kernels with every block kept
 * @param window keys that a query sees, its own the last of them; 0 for all
 */
record LayerAttention(ModelAttention operator, int window) {

    /**
     * The attention of each layer of a model: layers of the same kind share it.
     *
     * @throws IllegalArgumentException if an option names a layer that the model has not
     * @throws IllegalStateException if a forced backend cannot run here
     */
    static List<LayerAttention> ofLayers(DecoderConfig config, ModelOptions options) {
        options.denseLayers().check(config.numLayers());
        record Kind(boolean isDense, int window) {}
        Map<Kind, LayerAttention> kinds = new HashMap<>();
        List<LayerAttention> layers = new ArrayList<>();
        for (int l = 0; l < config.numLayers(); ++l) {
            boolean isDense =
                    options.attention() == AttentionKind.DENSE || options.denseLayers().contains(l);
            Kind kind = new Kind(isDense, config.windows().get(l));
            layers.add(kinds.computeIfAbsent(kind, k -> create(k.isDense(), k.window(), options)));
        }
        return List.copyOf(layers);
    }

    private static LayerAttention create(boolean isDense, int window, ModelOptions options) {
        PbsConfig.Builder builder = options.pbsConfig().toBuilder().optWindow(window);
        if (isDense) {
            builder.optThreshold(1);
        }
        PbsConfig settings = builder.build();
        PbsAttention attention =
                options.backend() == null
                        ? PbsAttention.create(settings)
                        : PbsAttention.create(settings, options.backend());
        return new LayerAttention(new ModelAttention(attention), window);
    }

    /** The first key that the query at a position sees. */
    int firstKey(int position) {
        return window == 0 ? 0 : Math.max(0, position - window + 1);
    }

    String backendName() {
        return operator.backendName();
    }
}

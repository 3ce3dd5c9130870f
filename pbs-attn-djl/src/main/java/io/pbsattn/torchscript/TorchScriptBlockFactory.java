package io.pbsattn.torchscript;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.nn.Block;
import ai.djl.nn.BlockFactory;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.util.NearestName;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Makes DJL load a TorchScript file with Permuted Block-Sparse Attention: name this class as the
 * argument {@code blockFactory}, beside the option {@code hasParameter=false}, because the block
 * brings its weights. {@link TorchScriptModels#criteria} does so.
 */
public final class TorchScriptBlockFactory implements BlockFactory {

    private static final long serialVersionUID = 1L;

    private static final String ATTENTION = "attention";
    private static final String BACKEND = "attention.backend";
    private static final List<String> ARGUMENTS =
            Stream.concat(Stream.of(ATTENTION, BACKEND), PbsConfig.argumentNames().stream())
                    .toList();

    /**
     * {@inheritDoc}
     *
     * @param modelPath a .pt file, or a folder that holds one named like the model, the folder or
     *     {@code model.pt}
     * @param arguments {@code attention}: {@code pbs} (default) or {@code dense}, which leaves the
     *     model as it is; {@code attention.threshold}, {@code attention.block_size}, {@code
     *     attention.segment_size}, {@code attention.min_length} as in {@link
     *     PbsConfig.Builder#optArgument}; {@code attention.backend}: forces a backend, {@code cpu},
     *     {@code cuda} or {@code reference}; {@code mapLocation}: as DJL's option of that name
     * @throws IllegalArgumentException naming the argument and what was expected; for an unknown
     *     one that is like ours the nearest name
     */
    @Override
    public Block newBlock(Model model, Path modelPath, Map<String, ?> arguments)
            throws IOException {
        PbsConfig.Builder config = PbsConfig.builder();
        for (Map.Entry<String, ?> argument : arguments.entrySet()) {
            String key = argument.getKey();
            if (!config.optArgument(key, String.valueOf(argument.getValue()))) {
                NearestName.refuseIfLikeOurs(key, ARGUMENTS);
            }
        }
        PbsConfig pbs = config.build();
        Object backend = arguments.get(BACKEND);
        PbsAttention operator =
                backend == null
                        ? PbsAttention.create(pbs)
                        : PbsAttention.create(pbs, String.valueOf(backend));
        Object attention = arguments.containsKey(ATTENTION) ? arguments.get(ATTENTION) : "pbs";
        boolean isDense = "dense".equals(attention);
        if (!isDense && !"pbs".equals(attention)) {
            throw new IllegalArgumentException(
                    "attention: expected pbs or dense, found '" + attention + "'");
        }
        Block block = load(model, modelPath, arguments);
        return isDense ? block : new PbsScopedBlock(block, operator);
    }

    /** Loads the file as DJL would without this factory; the outer model closes it. */
    private static Block load(Model model, Path modelPath, Map<String, ?> arguments)
            throws IOException {
        Map<String, String> options = new HashMap<>();
        if (arguments.containsKey("mapLocation")) {
            options.put("mapLocation", String.valueOf(arguments.get("mapLocation")));
        }
        Model script =
                Model.newInstance(model.getName(), model.getNDManager().getDevice(), "PyTorch");
        model.getNDManager()
                .attachInternal("torchScript-" + System.identityHashCode(script), script);
        try {
            script.load(modelPath, null, options);
        } catch (MalformedModelException e) {
            throw new IOException(modelPath + ": " + e.getMessage(), e);
        }
        return script.getBlock();
    }
}

package io.pbsattn.torchscript;

import ai.djl.Model;
import ai.djl.nn.Block;
import ai.djl.repository.zoo.Criteria;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import java.nio.file.Path;

/** TorchScript models whose attention goes through Permuted Block-Sparse Attention. */
public final class TorchScriptModels {

    private TorchScriptModels() {}

    /**
     * Begins the criteria for a TorchScript file. Add {@code optArgument("attention.threshold",
     * "0.95")} and the other options of {@link TorchScriptBlockFactory}, and the translator, as
     * needed.
     *
     * @param <I> the input type
     * @param <O> the output type
     * @param input the input type of the translator
     * @param output the output type of the translator
     * @param path a file that ends in .pt, or a folder that DJL finds one in
     * @return a builder; {@code build().loadModel()} gives the model
     */
    public static <I, O> Criteria.Builder<I, O> criteria(
            Class<I> input, Class<O> output, Path path) {
        return Criteria.builder()
                .setTypes(input, output)
                .optModelPath(path)
                .optEngine("PyTorch")
                .optArgument("blockFactory", TorchScriptBlockFactory.class.getName())
                // The block brings its weights; DJL need not look for a parameter file.
                .optOption("hasParameter", "false");
    }

    /**
     * Switches a loaded model over. Predictors made before stay as they are.
     *
     * @param model a model of the PyTorch engine, such as a {@code ZooModel}
     * @param config the settings of sparse attention
     * @return the model's new block, whose {@link PbsScopedBlock#report} tells what its attention
     *     calls did
     * @throws IllegalArgumentException if the model has no block yet
     */
    public static PbsScopedBlock usePbs(Model model, PbsConfig config) {
        return usePbs(model, PbsAttention.create(config));
    }

    /**
     * Switches a loaded model over to an operator, for instance one on a forced backend. Predictors
     * made before stay as they are.
     *
     * @param model a model of the PyTorch engine, such as a {@code ZooModel}
     * @param operator sparse attention; its scale and window are not used
     * @return the model's new block
     * @throws IllegalArgumentException if the model has no block yet
     */
    public static PbsScopedBlock usePbs(Model model, PbsAttention operator) {
        Block block = model.getBlock();
        if (block == null) {
            throw new IllegalArgumentException(
                    "model " + model.getName() + ": expected a loaded model, found no block");
        }
        PbsScopedBlock scoped = new PbsScopedBlock(block, operator);
        model.setBlock(scoped);
        return scoped;
    }
}

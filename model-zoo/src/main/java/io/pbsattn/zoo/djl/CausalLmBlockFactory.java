package io.pbsattn.zoo.djl;

import ai.djl.Model;
import ai.djl.nn.Block;
import ai.djl.nn.BlockFactory;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.generate.GenerationConfig;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.ModelOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/**
 * Makes DJL load a Hugging Face folder: name this class as the argument {@code blockFactory},
 * beside the option {@code hasParameter=false}, because the block brings its weights. {@link
 * Decoders#criteria} does so.
 */
public class CausalLmBlockFactory implements BlockFactory {

    private static final long serialVersionUID = 1L;

    /** Constructs the factory. */
    public CausalLmBlockFactory() {}

    /**
     * {@inheritDoc}
     *
     * @param arguments the options of {@link ModelOptions}; others are left alone unless they are
     *     like ours
     * @throws IllegalArgumentException naming the argument and what was expected
     */
    @Override
    public Block newBlock(Model model, Path modelPath, Map<String, ?> arguments)
            throws IOException {
        try {
            ModelOptions options =
                    DecoderArguments.read(ServingProperties.addTo(arguments, modelPath));
            GenerationConfig generation = GenerationConfig.read(modelPath);
            return new CausalLmBlock(
                    CausalLm.load(modelPath, options, model.getNDManager()), generation);
        } catch (CheckpointException e) {
            // DJL's interface knows no other exception for a folder that does not hold what it
            // should.
            throw new IOException(e.getMessage(), e);
        }
    }
}

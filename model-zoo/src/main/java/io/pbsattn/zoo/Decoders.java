package io.pbsattn.zoo;

import ai.djl.repository.zoo.Criteria;
import java.nio.file.Path;

/** The shortest way to load a decoder model through DJL. */
public final class Decoders {

    private Decoders() {}

    /**
     * Begins the criteria for a Hugging Face folder. Add {@code optArgument("attention", "dense")}
     * and the other options of {@link ModelOptions} as needed.
     *
     * @param <I> the input type
     * @param <O> the output type
     * @param input {@code String} or {@code NDList}
     * @param output the same as the input
     * @param folder holds config.json, safetensors files and, for text, tokenizer.json
     * @return a builder; {@code build().loadModel()} gives the model
     */
    public static <I, O> Criteria.Builder<I, O> criteria(
            Class<I> input, Class<O> output, Path folder) {
        return Criteria.builder()
                .setTypes(input, output)
                .optModelPath(folder)
                .optEngine("PyTorch")
                .optArgument("blockFactory", CausalLmBlockFactory.class.getName())
                .optArgument("translatorFactory", CausalLmTranslatorFactory.class.getName())
                // The block brings its weights; DJL need not look for a parameter file.
                .optOption("hasParameter", "false");
    }
}

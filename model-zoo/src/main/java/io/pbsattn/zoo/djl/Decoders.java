package io.pbsattn.zoo.djl;

import ai.djl.repository.zoo.Criteria;
import io.pbsattn.zoo.model.ModelOptions;
import java.nio.file.Path;
import java.util.Map;

/** The shortest way to load a decoder model through DJL. */
public final class Decoders {

    /** The arguments by which DJL loads a decoder model; an engine, and two of our classes. */
    public static final Map<String, String> ARGUMENTS =
            Map.of(
                    "engine",
                    "PyTorch",
                    "blockFactory",
                    CausalLmBlockFactory.class.getName(),
                    "translatorFactory",
                    CausalLmTranslatorFactory.class.getName());

    /** The options by which DJL loads a decoder model: the block brings its weights. */
    public static final Map<String, String> OPTIONS = Map.of("hasParameter", "false");

    private Decoders() {}

    /**
     * Begins the criteria for a Hugging Face folder. Add {@code optArgument("attention", "dense")}
     * and the other options of {@link ModelOptions} as needed.
     *
     * @param <I> the input type
     * @param <O> the output type
     * @param input {@code String} or {@code NDList}
     * @param output the same as the input
     * @param folder holds config.json, safetensors files and, for text, tokenizer.json; or an
     *     archive of that
     * @return a builder; {@code build().loadModel()} gives the model
     * @throws IllegalArgumentException if there is no such folder or archive
     */
    public static <I, O> Criteria.Builder<I, O> criteria(
            Class<I> input, Class<O> output, Path folder) {
        return criteria(input, output, folder.toUri().toString());
    }

    /**
     * Begins the criteria for a model anywhere. Add {@code optArgument("attention", "dense")} and
     * the other options of {@link ModelOptions} as needed; here {@code optOption} does the same.
     *
     * @param <I> the input type
     * @param <O> the output type
     * @param input {@code String} or {@code NDList}
     * @param output the same as the input
     * @param location the path or {@code file:} URL of a folder or an archive (zip, tar, tar.gz),
     *     {@code hf://org/model[@revision]}, {@code jar:///path} of an archive on the class path,
     *     {@code jar:file:/my.jar!/path} of one in a jar, or another URL that DJL knows
     * @return a builder; {@code build().loadModel()} gives the model
     * @throws IllegalArgumentException if there is no such folder or archive
     */
    public static <I, O> Criteria.Builder<I, O> criteria(
            Class<I> input, Class<O> output, String location) {
        return Criteria.builder().setTypes(input, output).optModelZoo(new LocationZoo(location));
    }
}

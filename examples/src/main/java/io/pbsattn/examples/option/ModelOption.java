package io.pbsattn.examples.option;

import io.pbsattn.examples.model.ModelFolder;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The option {@code --model}: a Hugging Face model, wherever it is. */
public final class ModelOption {

    @Option(
            names = "--model",
            required = true,
            description = "A Hugging Face folder, hf://org/model[@revision], or 'demo'.")
    private String model;

    /**
     * Returns the model's folder, after downloading or unpacking it where need be.
     *
     * @throws IOException if it cannot be had
     */
    public Path folder() throws IOException {
        return ModelFolder.of(model);
    }

    /** Returns what the model is called, given its folder. */
    public String name(Path folder) {
        return ModelFolder.name(model, folder);
    }
}

package io.pbsattn.examples.model;

import ai.djl.Device;
import ai.djl.ModelException;
import ai.djl.ndarray.NDManager;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.generate.TextGenerator;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.text.ChatMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A model and a generator on it. */
public final class LoadedModel implements AutoCloseable {

    private final NDManager manager;
    private final CausalLm model;
    private final TextGenerator generator;

    private LoadedModel(NDManager manager, CausalLm model, TextGenerator generator) {
        this.manager = manager;
        this.model = model;
        this.generator = generator;
    }

    /**
     * Loads a model.
     *
     * @param folder a Hugging Face folder
     * @param options how it is to be run
     */
    public static LoadedModel open(Path folder, ModelOptions options)
            throws IOException, ModelException {
        if (!Files.isDirectory(folder)) {
            throw new IOException(folder + ": no such folder");
        }
        // DJL's default is a GPU where there is one, and models run on the CPU.
        NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
        try {
            CausalLm model = CausalLm.load(folder, options, manager);
            return new LoadedModel(manager, model, TextGenerator.open(model, folder, manager));
        } catch (IOException | ModelException | RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    /** The backend that is tried first; the report of an answer names the one that ran. */
    public String backend() {
        return model.backendName();
    }

    public String dtype() {
        return model.dtype().toString();
    }

    public int countTokens(String text) {
        return generator.countTokens(text);
    }

    public boolean hasChatTemplate() {
        return generator.hasChatTemplate();
    }

    public Generation streamChat(
            List<ChatMessage> messages, GenerationOptions options, PrefillProgress progress) {
        return generator.streamChat(messages, with(options, progress));
    }

    public Generation stream(String message, GenerationOptions options, PrefillProgress progress) {
        return generator.stream(message, with(options, progress));
    }

    public GenerationResult generate(String message, GenerationOptions options, String task) {
        try (PrefillProgress progress = new PrefillProgress(task)) {
            return generator.generate(message, with(options, progress));
        }
    }

    private static GenerationOptions with(GenerationOptions options, PrefillProgress progress) {
        return options.optPrefill(new PrefillOptions().optProgress(progress));
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        generator.close();
        manager.close();
    }
}

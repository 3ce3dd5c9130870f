package io.pbsattn.examples.model;

import ai.djl.MalformedModelException;
import ai.djl.ModelException;
import ai.djl.ndarray.NDList;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import io.pbsattn.zoo.djl.CausalLmBlock;
import io.pbsattn.zoo.djl.Decoders;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.generate.TextGenerator;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.text.ChatMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A model loaded through DJL's own API, and a generator on it. */
public final class LoadedModel implements AutoCloseable {

    private final ZooModel<NDList, NDList> model;
    private final CausalLm block;
    private final TextGenerator generator;

    private LoadedModel(ZooModel<NDList, NDList> model, Path folder)
            throws IOException, MalformedModelException {
        this.model = model;
        block = ((CausalLmBlock) model.getBlock()).model();
        generator = TextGenerator.open(block, folder, model.getNDManager());
    }

    /**
     * Loads a model.
     *
     * @param folder a Hugging Face folder
     * @param attention pbs or dense
     * @param dtype float32 or bfloat16; null for what the machine and the file say
     * @param contextLimit the most tokens of document and answer; null for the model's own limit
     */
    public static LoadedModel open(
            Path folder, String attention, String dtype, Integer contextLimit)
            throws IOException, ModelException {
        if (!Files.isDirectory(folder)) {
            throw new IOException(folder + ": no such folder");
        }
        Criteria.Builder<NDList, NDList> criteria =
                Decoders.criteria(NDList.class, NDList.class, folder)
                        .optArgument("attention", attention);
        if (dtype != null) {
            criteria.optArgument("dtype", dtype);
        }
        if (contextLimit != null) {
            criteria.optArgument("context_limit", contextLimit);
        }
        return new LoadedModel(criteria.build().loadModel(), folder);
    }

    public String backend() {
        return block.backendName();
    }

    public String dtype() {
        return block.dtype().toString();
    }

    public int countTokens(String text) {
        return generator.countTokens(text);
    }

    public boolean hasChatTemplate() {
        return generator.hasChatTemplate();
    }

    public Generation streamChat(
            List<ChatMessage> messages, GenerationOptions options, PrefillProgress progress) {
        return generator.streamChat(
                messages, options.optPrefill(new PrefillOptions().optProgress(progress)));
    }

    public GenerationResult generate(String message, GenerationOptions options, String task) {
        try (PrefillProgress progress = new PrefillProgress(task)) {
            return generator.generate(
                    message, options.optPrefill(new PrefillOptions().optProgress(progress)));
        }
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        generator.close();
        model.close();
    }
}

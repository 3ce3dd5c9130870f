package io.pbsattn.zoo;

import ai.djl.Model;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.translate.Batchifier;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorContext;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Turns a message into ids by the chat template, and the ids that {@link CausalLm} generates into
 * text.
 */
final class TextGenerationTranslator implements Translator<String, String> {

    private final PromptEncoder encoder;
    private final int maxNewTokens;

    private TextGenerationTranslator(PromptEncoder encoder, int maxNewTokens) {
        this.encoder = encoder;
        this.maxNewTokens = maxNewTokens;
    }

    static TextGenerationTranslator open(Model model, Map<String, ?> arguments)
            throws IOException, CheckpointException {
        Path folder = model.getModelPath();
        Object limit = arguments.get("max_new_tokens");
        int maxNewTokens =
                limit == null
                        ? GenerationConfig.read(folder).maxNewTokens()
                        : (int) Double.parseDouble(limit.toString());
        return new TextGenerationTranslator(PromptEncoder.open(folder), maxNewTokens);
    }

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, String message) {
        NDManager manager = ctx.getNDManager();
        long[] ids = encoder.encode(List.of(ChatMessage.user(message)), new ChatTemplateOptions());
        return new NDList(
                manager.create(ids, new Shape(1, ids.length)), manager.create((long) maxNewTokens));
    }

    /** {@inheritDoc} */
    @Override
    public String processOutput(TranslatorContext ctx, NDList list) {
        return encoder.tokenizer().decode(list.singletonOrThrow().toLongArray(), true);
    }

    /** {@inheritDoc} */
    @Override
    public Batchifier getBatchifier() {
        return null;
    }
}

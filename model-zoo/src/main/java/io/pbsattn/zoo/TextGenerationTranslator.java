package io.pbsattn.zoo;

import ai.djl.Model;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.translate.Batchifier;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorContext;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * Turns a message into ids by the chat template, and the ids that {@link CausalLm} generates into
 * text.
 */
final class TextGenerationTranslator implements Translator<String, String> {

    private final HuggingFaceTokenizer tokenizer;
    private final Optional<ChatTemplate> template;
    private final int maxNewTokens;

    private TextGenerationTranslator(
            HuggingFaceTokenizer tokenizer, Optional<ChatTemplate> template, int maxNewTokens) {
        this.tokenizer = tokenizer;
        this.template = template;
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
        return new TextGenerationTranslator(
                TextGenerator.openTokenizer(folder), ChatTemplate.read(folder), maxNewTokens);
    }

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, String message) {
        NDManager manager = ctx.getNDManager();
        long[] ids = TextGenerator.encode(tokenizer, template, message);
        return new NDList(
                manager.create(ids, new Shape(1, ids.length)), manager.create((long) maxNewTokens));
    }

    /** {@inheritDoc} */
    @Override
    public String processOutput(TranslatorContext ctx, NDList list) {
        return tokenizer.decode(list.singletonOrThrow().toLongArray(), true);
    }

    /** {@inheritDoc} */
    @Override
    public Batchifier getBatchifier() {
        return null;
    }
}

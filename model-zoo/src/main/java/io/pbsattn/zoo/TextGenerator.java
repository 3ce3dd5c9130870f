package io.pbsattn.zoo;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Answers messages with a model. It keeps what it has read: a message that begins like the one
 * before, as questions about one document do, is prefilled only from where it differs. Not to be
 * used from several threads at once.
 */
public final class TextGenerator implements AutoCloseable {

    private final CausalLm model;
    private final PromptEncoder encoder;
    private final TokenGenerator generator;

    private TextGenerator(CausalLm model, PromptEncoder encoder, NDManager manager) {
        this.model = model;
        this.encoder = encoder;
        generator = new TokenGenerator(model, manager);
    }

    /**
     * Opens the tokenizer and the chat template of a model's folder.
     *
     * @param model the model of that folder
     * @param folder holds tokenizer.json
     * @param manager will own the cache
     * @return a generator; closing it releases the cache
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if there is no tokenizer, or a value is not what it should be
     */
    public static TextGenerator open(CausalLm model, Path folder, NDManager manager)
            throws IOException, CheckpointException {
        return new TextGenerator(model, PromptEncoder.open(folder), manager);
    }

    /**
     * Counts the tokens of a text.
     *
     * @param text any text
     * @return its tokens, without special ones
     */
    public int countTokens(String text) {
        return encoder.tokenizer().encode(text, false, false).getIds().length;
    }

    /**
     * Answers a message.
     *
     * @param message what the user says
     * @param options how to answer
     * @return the answer
     * @throws IllegalArgumentException if the message is empty or does not fit into the model's
     *     context
     */
    public GenerationResult generate(String message, GenerationOptions options) {
        return generate(
                options.raw()
                        ? encoder.encodeRaw(message)
                        : encoder.encode(
                                List.of(ChatMessage.user(message)), new ChatTemplateOptions()),
                options);
    }

    private GenerationResult generate(long[] prompt, GenerationOptions options) {
        GeneratedTokens generated =
                generator.generate(
                        prompt, options.maxNewTokens(model.generationConfig()), options.prefill());
        return new GenerationResult(
                encoder.tokenizer().decode(generated.ids(), true),
                generated.endedByEos() ? "stop" : "length",
                generated.promptTokens(),
                generated.reusedTokens(),
                generated.prefillSeconds(),
                generated.decodeTokens(),
                generated.decodeSeconds(),
                generated.report());
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        generator.close();
        encoder.close();
    }
}

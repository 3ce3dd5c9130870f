package io.pbsattn.zoo;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Answers messages with a model. It keeps what it has read: a message that begins like the one
 * before, as questions about one document do, is prefilled only from where it differs. Not to be
 * used from several threads at once.
 */
public final class TextGenerator implements AutoCloseable {

    private final CausalLm model;
    private final HuggingFaceTokenizer tokenizer;
    private final Optional<ChatTemplate> template;
    private final TokenGenerator generator;

    private TextGenerator(
            CausalLm model,
            HuggingFaceTokenizer tokenizer,
            Optional<ChatTemplate> template,
            NDManager manager) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.template = template;
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
        return new TextGenerator(model, openTokenizer(folder), ChatTemplate.read(folder), manager);
    }

    /**
     * Opens a folder's tokenizer, which neither cuts nor pads, nor adds special tokens by itself.
     */
    static HuggingFaceTokenizer openTokenizer(Path folder) throws IOException, CheckpointException {
        Path file = folder.resolve("tokenizer.json");
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(file + ": no such file");
        }
        return HuggingFaceTokenizer.builder()
                .optTokenizerPath(file)
                .optTruncation(false)
                .optPadding(false)
                .build();
    }

    /**
     * Counts the tokens of a text.
     *
     * @param text any text
     * @return its tokens, without special ones
     */
    public int countTokens(String text) {
        return tokenizer.encode(text, false, false).getIds().length;
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
        GeneratedTokens generated =
                generator.generate(
                        encode(tokenizer, options.raw() ? Optional.empty() : template, message),
                        options.maxNewTokens(model.generationConfig()),
                        options.prefill());
        return new GenerationResult(
                tokenizer.decode(generated.ids(), true),
                generated.endedByEos() ? "stop" : "length",
                generated.promptTokens(),
                generated.reusedTokens(),
                generated.prefillSeconds(),
                generated.decodeTokens(),
                generated.decodeSeconds(),
                generated.report());
    }

    /** A template writes the special tokens itself; without one the tokenizer adds them. */
    static long[] encode(
            HuggingFaceTokenizer tokenizer, Optional<ChatTemplate> template, String message) {
        return template.map(t -> tokenizer.encode(t.render(message), false, false))
                .orElseGet(() -> tokenizer.encode(message, true, false))
                .getIds();
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        generator.close();
        tokenizer.close();
    }
}

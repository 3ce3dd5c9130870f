package io.pbsattn.zoo.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.pbsattn.util.SharedResource;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Turns chats into ids. Special tokens are those that the template put; what messages say is text,
 * whatever it looks like. Apart from that the ids are those of transformers' {@code
 * apply_chat_template}. May be used from several threads at once, and closed by any: later calls
 * throw {@link IllegalStateException}.
 */
public final class PromptEncoder implements AutoCloseable {

    private final Path file;
    private final HuggingFaceTokenizer tokenizer;
    private final Optional<ChatTemplate> template;
    private final SpecialTokens specialTokens;
    private final SharedResource resource = new SharedResource("the tokenizer", this::release);
    private HuggingFaceTokenizer guarded;

    private PromptEncoder(
            Path file,
            HuggingFaceTokenizer tokenizer,
            Optional<ChatTemplate> template,
            SpecialTokens specialTokens) {
        this.file = file;
        this.tokenizer = tokenizer;
        this.template = template;
        this.specialTokens = specialTokens;
    }

    /**
     * Opens the tokenizer and the chat template of a model's folder.
     *
     * @param folder holds tokenizer.json
     * @return an encoder, to be closed
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if there is no tokenizer, or a value is not what it should be
     */
    public static PromptEncoder open(Path folder) throws IOException, CheckpointException {
        Path file = folder.resolve("tokenizer.json");
        Optional<ChatTemplate> template = ChatTemplate.read(folder);
        SpecialTokens specialTokens = SpecialTokens.read(file);
        HuggingFaceTokenizer tokenizer = openTokenizer(folder);
        return new PromptEncoder(file, tokenizer, template, specialTokens);
    }

    /**
     * Opens a folder's tokenizer, which neither cuts nor pads, nor adds special tokens by itself.
     *
     * @param folder holds tokenizer.json
     * @return the tokenizer, to be closed
     * @throws IOException if the file cannot be read
     * @throws CheckpointException if there is none
     */
    public static HuggingFaceTokenizer openTokenizer(Path folder)
            throws IOException, CheckpointException {
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
     * Says whether chats can be encoded.
     *
     * @return true if the folder has a chat template
     */
    public boolean hasTemplate() {
        return template.isPresent();
    }

    /**
     * Encodes a chat by the model's template. Without a template a single message of the user is
     * encoded as it is.
     *
     * @param messages what has been said, at least one message
     * @param options what else the template is given
     * @return ids
     * @throws IllegalArgumentException if the template fails or refuses, or there is none for
     *     messages that need one; says why
     */
    public long[] encode(List<ChatMessage> messages, ChatTemplateOptions options) {
        if (template.isPresent()) {
            ChatTemplate.Prompt prompt = template.get().render(messages, options, specialTokens);
            return resource.use(() -> encode(prompt));
        }
        if (messages.size() != 1 || !messages.get(0).role().equals("user")) {
            throw new IllegalArgumentException(
                    file.getParent()
                            + ": no chat template, which a chat of more than one user message"
                            + " needs; expected chat_template.jinja, or the key chat_template in"
                            + " tokenizer_config.json");
        }
        return encodeRaw(messages.get(0).content());
    }

    /**
     * Encodes a text without a template, with the special tokens that the tokenizer adds. Special
     * tokens in the text are special.
     *
     * @param text any text
     * @return ids
     */
    public long[] encodeRaw(String text) {
        return resource.use(() -> tokenizer.encode(text, true, false).getIds());
    }

    /** Encodes what a template wrote; only its own special tokens are special. */
    private long[] encode(ChatTemplate.Prompt prompt) {
        SpecialTokens.Marked marked = specialTokens.mark(prompt);
        if (!marked.hasForged()) {
            long[] ids = tokenizer.encode(prompt.text(), false, false).getIds();
            // A normalizer may make a special token of what did not look like one.
            if (specialTokens.count(ids) == marked.count()) {
                return ids;
            }
        }
        return guarded().encode(marked.text(), false, false).getIds();
    }

    private synchronized HuggingFaceTokenizer guarded() {
        if (guarded == null) {
            try {
                guarded = specialTokens.openGuarded(file);
            } catch (IOException | CheckpointException e) {
                throw new IllegalStateException(e.getMessage(), e);
            }
        }
        return guarded;
    }

    /**
     * Opens the way back, from ids to text; it is of use as long as the encoder is open.
     *
     * @return the way back
     * @throws IOException if tokenizer.json cannot be read
     * @throws CheckpointException if a value of it is not what it should be
     */
    public Detokenizer openDetokenizer() throws IOException, CheckpointException {
        return Detokenizer.open(ids -> decode(ids, true), file);
    }

    /** The text of ids. */
    String decode(long[] ids, boolean skipsSpecialTokens) {
        return resource.use(() -> tokenizer.decode(ids, skipsSpecialTokens));
    }

    /**
     * Counts the tokens of a text.
     *
     * @param text any text
     * @return its tokens, without special ones
     */
    public int countTokens(String text) {
        return resource.use(() -> tokenizer.encode(text, false, false).getIds().length);
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        resource.close();
    }

    private synchronized void release() {
        tokenizer.close();
        if (guarded != null) {
            guarded.close();
        }
    }
}

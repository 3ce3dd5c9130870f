package io.pbsattn.zoo.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.pbsattn.util.SharedResource;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Turns chats into ids. Special tokens are those that the template put; what messages say is text,
 * whatever it looks like. Apart from that the ids are those of transformers' {@code
 * apply_chat_template}. May be used from several threads at once.
 */
public final class PromptEncoder implements AutoCloseable {

    private final Path file;
    private final Tokenizer tokenizer;
    private final Optional<ChatTemplate> template;
    private final SpecialTokens specialTokens;
    private final TextLimit limit;
    private final Detokenizer detokenizer;
    private final SharedResource resource = new SharedResource("the tokenizer", this::release);
    private Tokenizer guarded;

    private PromptEncoder(TokenizerJson json, Optional<ChatTemplate> template)
            throws CheckpointException {
        this.template = template;
        file = json.file();
        specialTokens = SpecialTokens.of(json);
        limit = TextLimit.of(json);
        HuggingFaceTokenizer opened = json.open();
        tokenizer = new Tokenizer(file, opened, limit);
        detokenizer = Detokenizer.of(ids -> decode(ids, true), json);
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
        Optional<ChatTemplate> template = ChatTemplate.read(folder);
        return new PromptEncoder(read(folder), template);
    }

    private static TokenizerJson read(Path folder) throws IOException, CheckpointException {
        return TokenizerJson.read(folder.resolve(TokenizerJson.NAME));
    }

    /**
     * Opens a folder's tokenizer, which neither cuts nor pads, nor adds special tokens by itself.
     *
     * @param folder holds tokenizer.json
     * @return the tokenizer, to be closed
     * @throws IOException if the file cannot be read
     * @throws CheckpointException if there is none, or a value is not what it should be
     */
    public static HuggingFaceTokenizer openTokenizer(Path folder)
            throws IOException, CheckpointException {
        return read(folder).open();
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
        return encode(messages, options, Long.MAX_VALUE);
    }

    /**
     * Encodes a chat that has to fit, see {@link #encode(List, ChatTemplateOptions)}. One that
     * cannot, by its length and that of the longest token, is refused before it is tokenized;
     * others may still have more tokens.
     *
     * @param messages what has been said, at least one message
     * @param options what else the template is given
     * @param maxTokens tokens that fit into the model's context
     * @return ids
     * @throws IllegalArgumentException if it is too long, the template fails or refuses, or there
     *     is none for messages that need one; says why
     */
    public long[] encode(List<ChatMessage> messages, ChatTemplateOptions options, long maxTokens) {
        if (template.isPresent()) {
            checkCharacters(messages);
            ChatTemplate.Prompt prompt = template.get().render(messages, options, specialTokens);
            return resource.use(() -> encode(prompt, maxTokens));
        }
        if (messages.size() != 1 || !messages.get(0).role().equals("user")) {
            throw new IllegalArgumentException(
                    file.getParent()
                            + ": no chat template, which a chat of more than one user message"
                            + " needs; expected chat_template.jinja, or the key chat_template in"
                            + " tokenizer_config.json");
        }
        return encodeRaw(messages.get(0).content(), maxTokens);
    }

    /** A template would only write them, several times over. */
    private static void checkCharacters(List<ChatMessage> messages) {
        long characters = 0;
        for (ChatMessage message : messages) {
            characters += message.content() == null ? 0 : message.content().length();
        }
        if (characters > TextLimit.MAX_CHARACTERS) {
            throw new IllegalArgumentException(
                    "the messages have "
                            + characters
                            + " characters; at most "
                            + TextLimit.MAX_CHARACTERS
                            + " are tokenized at once");
        }
    }

    /**
     * Encodes a text without a template, with the special tokens that the tokenizer adds. Special
     * tokens in the text are special.
     *
     * @param text any text
     * @return ids
     */
    public long[] encodeRaw(String text) {
        return encodeRaw(text, Long.MAX_VALUE);
    }

    /**
     * Encodes a text that has to fit, see {@link #encodeRaw(String)}.
     *
     * @param text any text
     * @param maxTokens tokens that fit into the model's context
     * @return ids, perhaps more of them
     * @throws IllegalArgumentException if the text cannot have so few tokens; says how many it has
     *     at the least
     */
    public long[] encodeRaw(String text, long maxTokens) {
        return resource.use(() -> tokenizer.encode(text, true, maxTokens));
    }

    /**
     * Counts the tokens of a text.
     *
     * @param text any text
     * @return its tokens, without special ones that the tokenizer would add
     * @throws IllegalArgumentException if the text is too long to be tokenized
     */
    public int countTokens(String text) {
        return resource.use(() -> tokenizer.encode(text, false, Long.MAX_VALUE).length);
    }

    /** Encodes what a template wrote; only its own special tokens are special. */
    private long[] encode(ChatTemplate.Prompt prompt, long maxTokens) {
        limit.check(prompt.text(), maxTokens);
        SpecialTokens.Marked marked = specialTokens.mark(prompt);
        if (!marked.hasForged()) {
            long[] ids = tokenizer.encode(prompt.text(), false, maxTokens);
            // A normalizer may make a special token of what did not look like one.
            if (specialTokens.count(ids) == marked.count()) {
                return ids;
            }
        }
        return guarded().encode(marked.text(), false, Long.MAX_VALUE);
    }

    private synchronized Tokenizer guarded() {
        if (guarded == null) {
            try {
                HuggingFaceTokenizer secret = specialTokens.openGuarded(TokenizerJson.read(file));
                guarded = new Tokenizer(file, secret, limit);
            } catch (IOException | CheckpointException e) {
                throw new IllegalStateException(e.getMessage(), e);
            }
        }
        return guarded;
    }

    /**
     * Returns the way back, from ids to text; it is of use as long as the encoder is open.
     *
     * @return the way back
     */
    public Detokenizer detokenizer() {
        return detokenizer;
    }

    /** The text of ids. */
    String decode(long[] ids, boolean skipsSpecialTokens) {
        return resource.use(() -> tokenizer.decode(ids, skipsSpecialTokens));
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

package io.pbsattn.zoo.generate;

import ai.djl.ndarray.NDManager;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.text.ChatMessage;
import io.pbsattn.zoo.text.ChatTemplateOptions;
import io.pbsattn.zoo.text.Detokenizer;
import io.pbsattn.zoo.text.PromptEncoder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * Answers messages with a model. It keeps what it has read: a message that begins like the one
 * before, as questions about one document do, is prefilled only from where it differs. Not to be
 * used from several threads at once, but for {@link Generation#cancel}.
 *
 * <p>With dense attention a beginning that is reused is, to within rounding, what reading it again
 * would give; where rotary frequencies depend on the length of a prompt ({@code dynamic}, {@code
 * longrope}), prompts with other frequencies do not reuse it. Sparse attention chooses keys by the
 * queries of what is read at once, and so may choose others where a beginning is reused.
 */
public final class TextGenerator implements AutoCloseable {

    private final CausalLm model;
    private final GenerationConfig config;
    private final PromptEncoder encoder;
    private final Detokenizer detokenizer;
    private final TokenGenerator generator;

    private TextGenerator(
            CausalLm model,
            GenerationConfig config,
            PromptEncoder encoder,
            Detokenizer detokenizer,
            NDManager manager) {
        this.model = model;
        this.config = config;
        this.encoder = encoder;
        this.detokenizer = detokenizer;
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
        return of(model, GenerationConfig.read(folder), PromptEncoder.open(folder), manager);
    }

    /** Makes a generator that owns an encoder, which is closed if there is to be no generator. */
    static TextGenerator of(
            CausalLm model, GenerationConfig config, PromptEncoder encoder, NDManager manager) {
        try {
            return new TextGenerator(model, config, encoder, encoder.detokenizer(), manager);
        } catch (RuntimeException e) {
            encoder.close();
            throw e;
        }
    }

    /**
     * Says whether the model takes chats.
     *
     * @return true if its folder has a chat template
     */
    public boolean hasChatTemplate() {
        return encoder.hasTemplate();
    }

    /**
     * Counts the tokens of a text.
     *
     * @param text any text
     * @return its tokens, without special ones
     */
    public int countTokens(String text) {
        return encoder.countTokens(text);
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
        return generate(message, options, piece -> true);
    }

    /**
     * Answers a message and lets a listener follow.
     *
     * @param message what the user says
     * @param options how to answer
     * @param listener takes the pieces of the answer as they come, and returns false to end it
     * @return the answer, as far as it went
     * @throws IllegalArgumentException if the message is empty or does not fit into the model's
     *     context
     */
    public GenerationResult generate(
            String message, GenerationOptions options, Predicate<String> listener) {
        try (Generation answer = stream(message, options)) {
            return answer.result(listener);
        }
    }

    /**
     * Answers messages of any lengths, each as if it were alone. Up to {@link CausalLm#maxBatch} of
     * them are decoded together: a step runs one token of each and reads the model's weights once.
     * Where one has ended, the next one begins. Each has a KV cache of its own, in memory that is
     * released at the end. Prompts are prefilled one by one, and what they begin with in common is
     * prefilled once, wherever they are in the list. With a seed, each begins anew with it.
     *
     * <p>The order of sums in a step depends on how many messages it decodes, so tokens that are as
     * likely as each other to within rounding may change places, in bfloat16 more often than in
     * float32. What is said above about a beginning that is reused is true of these messages too.
     *
     * @param messages what the user says
     * @param options how to answer
     * @return the answers, in the order of the messages
     * @throws IllegalArgumentException if a message is empty or does not fit into the model's
     *     context; says which, before any is answered
     */
    public List<GenerationResult> generate(List<String> messages, GenerationOptions options) {
        List<TextRequest> requests = new ArrayList<>();
        for (String message : messages) {
            try {
                requests.add(request(encode(message, options), options));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(
                        "message " + requests.size() + ": " + e.getMessage(), e);
            }
        }
        return RollingBatch.answer(generator, requests, model.maxBatch()).stream()
                .map(Generation::result)
                .toList();
    }

    /**
     * Begins to answer a message; the answer is computed as it is read.
     *
     * @param message what the user says
     * @param options how to answer
     * @return the answer, to be closed before the next one begins
     * @throws IllegalArgumentException if the message is empty or does not fit into the model's
     *     context
     * @throws IllegalStateException if the answer before has neither ended nor been closed
     */
    public Generation stream(String message, GenerationOptions options) {
        return stream(encode(message, options), options);
    }

    private long[] encode(String message, GenerationOptions options) {
        return options.raw()
                ? encoder.encodeRaw(message, model.contextLimit())
                : encoder.encode(
                        List.of(ChatMessage.user(message)),
                        new ChatTemplateOptions(),
                        model.contextLimit());
    }

    /**
     * Begins to answer a chat, by the model's chat template.
     *
     * @param messages what has been said, the question last
     * @param options how to answer
     * @return the answer, to be closed before the next one begins
     * @throws IllegalArgumentException if the template refuses the messages, they do not fit into
     *     the model's context, or there is no template and more than one message
     * @throws IllegalStateException if the answer before has neither ended nor been closed
     */
    public Generation streamChat(List<ChatMessage> messages, GenerationOptions options) {
        return streamChat(messages, new ChatTemplateOptions(), options);
    }

    /**
     * Begins to answer a chat, by the model's chat template.
     *
     * @param messages what has been said, the question last
     * @param templateOptions what else the template is given
     * @param options how to answer
     * @return the answer, to be closed before the next one begins
     * @throws IllegalArgumentException if the template refuses the messages, they do not fit into
     *     the model's context, or there is no template and more than one message
     * @throws IllegalStateException if the answer before has neither ended nor been closed
     */
    public Generation streamChat(
            List<ChatMessage> messages,
            ChatTemplateOptions templateOptions,
            GenerationOptions options) {
        return stream(encoder.encode(messages, templateOptions, model.contextLimit()), options);
    }

    /**
     * Begins to continue a prompt of ids, as a template or another tokenizer made it.
     *
     * @param promptIds ids of the model's vocabulary, at least one
     * @param options how to answer
     * @return the answer, to be closed before the next one begins
     * @throws IllegalArgumentException if there is no id, or they do not fit into the model's
     *     context
     * @throws IllegalStateException if the answer before has neither ended nor been closed
     */
    public Generation stream(long[] promptIds, GenerationOptions options) {
        TextRequest request = request(promptIds, options);
        return request.answer(generator.stream(promptIds, request.settings()));
    }

    private TextRequest request(long[] promptIds, GenerationOptions options) {
        return new TextRequest(model, config, promptIds, options, detokenizer);
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        generator.close();
        encoder.close();
    }
}

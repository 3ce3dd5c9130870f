package io.pbsattn.langchain4j;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDManager;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.ModelProvider;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.generate.TextGenerator;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.ModelOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A model of the zoo as LangChain4j's {@code ChatModel} and {@code StreamingChatModel}.
 *
 * <pre>{@code
 * try (PbsChatModel model = PbsChatModel.builder(Path.of("my-llama")).build()) {
 *     System.out.println(model.chat("What does clause 12 say?"));
 * }
 * }</pre>
 *
 * <p>Requests are answered one after another, whatever threads they come from; what a request
 * shares with the one before, as the turns of a conversation do, is not read again. Streams run on
 * a thread of the model's own. Parameters that a request leaves out are those of the builder, then
 * those of the model's {@code generation_config.json}. Tools, JSON as a response format, and
 * contents that are not text are refused with an {@code UnsupportedFeatureException}.
 */
public final class PbsChatModel implements ChatModel, StreamingChatModel, AutoCloseable {

    private final String name;
    private final NDManager manager;
    private final TextGenerator generator;
    private final ChatRequestParameters defaults;
    private final List<ChatModelListener> listeners;
    private final ExecutorService streams = Executors.newSingleThreadExecutor(PbsChatModel::thread);

    /** Held while an answer is computed: a generator has one cache. */
    private final Object turn = new Object();

    private PbsChatModel(Builder builder, NDManager manager, TextGenerator generator) {
        this.manager = manager;
        this.generator = generator;
        name = builder.folder.toAbsolutePath().normalize().getFileName().toString();
        defaults =
                ChatRequestParameters.builder()
                        .modelName(name)
                        .build()
                        .overrideWith(builder.defaults);
        listeners = List.copyOf(builder.listeners);
    }

    private static Thread thread(Runnable task) {
        Thread thread = new Thread(task, "pbs-chat");
        thread.setDaemon(true);
        return thread;
    }

    /**
     * Begins to open a model.
     *
     * @param folder a Hugging Face folder
     * @return a builder
     */
    public static Builder builder(Path folder) {
        return new Builder(folder);
    }

    /** {@inheritDoc} */
    @Override
    public ChatResponse doChat(ChatRequest request) {
        ChatTask task = ChatTask.of(request, name);
        synchronized (turn) {
            try (Generation answer = begin(task)) {
                return response(answer.result());
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        ChatTask task = ChatTask.of(request, name);
        streams.execute(
                () -> {
                    synchronized (turn) {
                        new AnswerStream(handler, this::response).run(() -> begin(task));
                    }
                });
    }

    /** What the model or its template refuses is the request's fault. */
    private Generation begin(ChatTask task) {
        try {
            return generator.streamChat(task.messages(), task.options());
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(e.getMessage(), e);
        }
    }

    private ChatResponse response(GenerationResult result) {
        return ChatResponse.builder()
                .aiMessage(AiMessage.from(result.text()))
                .modelName(name)
                .tokenUsage(new TokenUsage(result.promptTokens(), result.decodeTokens()))
                .finishReason(finishReason(result))
                .build();
    }

    private static FinishReason finishReason(GenerationResult result) {
        return switch (result.finishReason()) {
            case EOS, STOP -> FinishReason.STOP;
            case LENGTH -> FinishReason.LENGTH;
            case CANCELLED -> FinishReason.OTHER;
        };
    }

    /** {@inheritDoc} */
    @Override
    public ChatRequestParameters defaultRequestParameters() {
        return defaults;
    }

    /** {@inheritDoc} */
    @Override
    public List<ChatModelListener> listeners() {
        return listeners;
    }

    /** {@inheritDoc} */
    @Override
    public ModelProvider provider() {
        return ModelProvider.OTHER;
    }

    /** {@inheritDoc} */
    @Override
    public Set<Capability> supportedCapabilities() {
        return Set.of();
    }

    /** Waits for the answer that is being computed, drops those that wait, and frees the model. */
    @Override
    public void close() {
        streams.shutdownNow();
        synchronized (turn) {
            generator.close();
            manager.close();
        }
    }

    /** Says how a model is opened. */
    public static final class Builder {

        private final Path folder;
        private ModelOptions options = new ModelOptions();
        private ChatRequestParameters defaults = ChatRequestParameters.builder().build();
        private List<ChatModelListener> listeners = List.of();

        private Builder(Path folder) {
            this.folder = folder;
        }

        /**
         * Sets how the model computes.
         *
         * @param modelOptions attention, type, context limit and others
         * @return this builder
         */
        public Builder optOptions(ModelOptions modelOptions) {
            options = modelOptions;
            return this;
        }

        /**
         * Sets what requests that say nothing of it are answered with.
         *
         * @param parameters temperature and others
         * @return this builder
         */
        public Builder optDefaultRequestParameters(ChatRequestParameters parameters) {
            defaults = parameters;
            return this;
        }

        /**
         * Sets who hears of requests and answers.
         *
         * @param chatListeners LangChain4j's listeners
         * @return this builder
         */
        public Builder optListeners(List<ChatModelListener> chatListeners) {
            listeners = chatListeners;
            return this;
        }

        /**
         * Opens the model.
         *
         * @return the model, to be closed
         * @throws IOException if a file cannot be read
         * @throws MalformedModelException if a file is not what it should be; names it
         */
        public PbsChatModel build() throws IOException, MalformedModelException {
            NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
            try {
                CausalLm model = CausalLm.load(folder, options, manager);
                TextGenerator generator = TextGenerator.open(model, folder, manager);
                return new PbsChatModel(this, manager, generator);
            } catch (IOException | MalformedModelException | RuntimeException e) {
                manager.close();
                throw e;
            }
        }
    }
}

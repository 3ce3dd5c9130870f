package io.pbsattn.langchain4j;

import ai.djl.MalformedModelException;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.memory.chat.MessageWindowChatMemory;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.TokenStream;
import io.pbsattn.zoo.model.ModelOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.testng.Assert;
import org.testng.annotations.AfterClass;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** LangChain4j's own types on the demo model, which finds facts in documents. */
public class PbsChatModelTest {

    private static final String DOCUMENT =
            """
            The gate opens at seven and closes at nine.
            The access code of the amber falcon is 48213.
            Visitors sign the book at the desk.
            The badge number of the quiet heron is 31867.
            """;
    private static final String QUESTION =
            DOCUMENT + "Question: what is the access code of the amber falcon?";

    private final List<ChatResponse> heard = new ArrayList<>();
    private PbsChatModel model;

    @BeforeClass
    public void open() throws Exception {
        ChatModelListener listener =
                new ChatModelListener() {
                    @Override
                    public void onResponse(ChatModelResponseContext context) {
                        heard.add(context.chatResponse());
                    }
                };
        model =
                PbsChatModel.builder(demoFolder())
                        .optDefaultRequestParameters(
                                ChatRequestParameters.builder().temperature(0.0).build())
                        .optListeners(List.of(listener))
                        .build();
    }

    /** The folder of the demo model, in the resources of the module that it belongs to. */
    private static Path demoFolder() {
        return Stream.of("../src", "../../examples/src")
                .map(source -> Path.of(source, "main/resources/models/retriever"))
                .filter(Files::isDirectory)
                .findFirst()
                .orElseThrow();
    }

    @AfterClass
    public void close() {
        model.close();
    }

    /** The builder's own options have types; names come by a map. */
    @Test
    public void mistypedOptionIsRefusedWithTheNearestName() {
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () ->
                                PbsChatModel.builder(demoFolder())
                                        .optOptions(ModelOptions.of(Map.of("attenton", "dense"))));
        Assert.assertEquals(e.getMessage(), "unknown option 'attenton'; did you mean 'attention'?");
    }

    @Test
    public void answers() {
        int before = heard.size();
        Assert.assertTrue(model.chat(QUESTION).contains("48213"));
        ChatResponse response = model.chat(UserMessage.from(QUESTION));
        Assert.assertEquals(response.finishReason(), FinishReason.STOP);
        Assert.assertTrue(response.tokenUsage().inputTokenCount() > 50);
        Assert.assertTrue(response.tokenUsage().outputTokenCount() > 5);
        Assert.assertEquals(response.modelName(), "retriever");
        Assert.assertEquals(heard.size(), before + 2);
        Assert.assertEquals(heard.get(before + 1), response);
    }

    @Test
    public void parametersAreHeeded() {
        ChatResponse cut = chat(p -> p.maxOutputTokens(3));
        Assert.assertEquals(cut.finishReason(), FinishReason.LENGTH);
        Assert.assertEquals(cut.tokenUsage().outputTokenCount(), Integer.valueOf(3));
        ChatResponse stopped = chat(p -> p.stopSequences("falcon"));
        Assert.assertEquals(stopped.finishReason(), FinishReason.STOP);
        Assert.assertFalse(stopped.aiMessage().text().contains("falcon"));
        Assert.assertTrue(stopped.aiMessage().text().contains("amber"));
        String greedy = chat(p -> {}).aiMessage().text();
        // So hot that the likeliest tokens are taken by accident only.
        Assert.assertNotEquals(
                chat(p -> p.temperature(50.0).topK(4000).topP(1.0)).aiMessage().text(), greedy);
        Assert.assertEquals(chat(p -> p.temperature(50.0).topK(1)).aiMessage().text(), greedy);
        Assert.assertEquals(chat(p -> p.temperature(50.0).topP(0.0)).aiMessage().text(), greedy);
    }

    /** Penalties keep what was said from being said again. */
    @Test
    public void penaltiesAreHeeded() {
        String line = "one two one two one two one two one two one two one two";
        for (Consumer<DefaultChatRequestParameters.Builder<?>> penalty :
                List.<Consumer<DefaultChatRequestParameters.Builder<?>>>of(
                        p -> p.presencePenalty(2.0), p -> p.frequencyPenalty(2.0))) {
            String plain = answerTo(line, p -> p.maxOutputTokens(40));
            String penalised =
                    answerTo(
                            line,
                            p -> {
                                p.maxOutputTokens(40);
                                penalty.accept(p);
                            });
            Assert.assertNotEquals(penalised, plain);
        }
    }

    private ChatResponse chat(Consumer<DefaultChatRequestParameters.Builder<?>> parameters) {
        return model.chat(request(QUESTION, parameters));
    }

    private String answerTo(
            String text, Consumer<DefaultChatRequestParameters.Builder<?>> parameters) {
        return model.chat(request(text, parameters)).aiMessage().text();
    }

    private static ChatRequest request(
            String text, Consumer<DefaultChatRequestParameters.Builder<?>> parameters) {
        DefaultChatRequestParameters.Builder<?> builder = ChatRequestParameters.builder();
        parameters.accept(builder);
        return ChatRequest.builder()
                .messages(UserMessage.from(text))
                .parameters(builder.build())
                .build();
    }

    @Test
    public void streams() throws Exception {
        Recorder recorder = new Recorder();
        model.chat(QUESTION, recorder);
        ChatResponse response = recorder.response.get(60, TimeUnit.SECONDS);
        Assert.assertEquals(String.join("", recorder.pieces), response.aiMessage().text());
        Assert.assertTrue(recorder.pieces.size() > 3, recorder.pieces.toString());
        Assert.assertEquals(response.aiMessage().text(), model.chat(QUESTION));
        Assert.assertEquals(response.finishReason(), FinishReason.STOP);
        Assert.assertTrue(response.tokenUsage().outputTokenCount() > 5);
    }

    @Test
    public void streamsCanBeCancelled() throws Exception {
        CompletableFuture<String> second = new CompletableFuture<>();
        Recorder recorder =
                new Recorder() {
                    @Override
                    public void onPartialResponse(PartialResponse p, PartialResponseContext c) {
                        super.onPartialResponse(p, c);
                        if (pieces.size() == 2) {
                            c.streamingHandle().cancel();
                            second.complete(p.text());
                        }
                    }
                };
        model.chat(QUESTION, recorder);
        second.get(60, TimeUnit.SECONDS);
        // The next request is answered behind the cancelled one.
        Assert.assertTrue(model.chat(QUESTION).contains("48213"));
        Assert.assertEquals(recorder.pieces.size(), 2);
        Assert.assertFalse(recorder.response.isDone());
    }

    /** A handler that throws hears of it, and of the rest of the answer. */
    @Test
    public void aHandlerThatThrowsIsTold() throws Exception {
        List<Throwable> errors = new ArrayList<>();
        Recorder recorder =
                new Recorder() {
                    @Override
                    public void onPartialResponse(PartialResponse p, PartialResponseContext c) {
                        super.onPartialResponse(p, c);
                        throw new IllegalStateException("full");
                    }

                    @Override
                    public void onError(Throwable error) {
                        errors.add(error);
                    }
                };
        model.chat(QUESTION, recorder);
        recorder.response.get(60, TimeUnit.SECONDS);
        Assert.assertEquals(errors.size(), recorder.pieces.size());
        Assert.assertEquals(errors.get(0).getMessage(), "full");
    }

    @Test
    public void whatCannotBeAnsweredGoesToOnError() {
        Recorder recorder = new Recorder();
        model.chat("word ".repeat(40_000), recorder);
        Exception e =
                Assert.expectThrows(
                        Exception.class, () -> recorder.response.get(60, TimeUnit.SECONDS));
        Assert.assertTrue(e.getCause() instanceof InvalidRequestException, e.toString());
        Assert.assertTrue(e.getMessage().contains("context limit"), e.getMessage());
        Assert.expectThrows(
                InvalidRequestException.class, () -> model.chat("word ".repeat(40_000)));
    }

    @DataProvider
    public Object[][] refused() {
        UserMessage question = UserMessage.from("x");
        ToolSpecification tool = ToolSpecification.builder().name("f").build();
        ToolExecutionRequest call = ToolExecutionRequest.builder().name("f").id("1").build();
        return new Object[][] {
            {"tools", messages(question).toolSpecifications(tool)},
            {"REQUIRED", messages(question).toolChoice(ToolChoice.REQUIRED)},
            {"JSON", messages(question).responseFormat(ResponseFormat.JSON)},
            {"'other'", messages(question).modelName("other")},
            {"calls of tools", messages(question, AiMessage.from(call))},
            {
                "TOOL_EXECUTION_RESULT",
                messages(question, ToolExecutionResultMessage.from(call, "y"))
            },
            {
                "content of type image",
                messages(
                        UserMessage.from(
                                TextContent.from("x"), ImageContent.from("http://localhost/y")))
            },
        };
    }

    private static ChatRequest.Builder messages(ChatMessage... messages) {
        return ChatRequest.builder().messages(messages);
    }

    @Test(dataProvider = "refused")
    public void refusesWhatItCannotDo(String named, ChatRequest.Builder request) {
        UnsupportedFeatureException e =
                Assert.expectThrows(
                        UnsupportedFeatureException.class, () -> model.chat(request.build()));
        Assert.assertTrue(e.getMessage().contains(named), e.getMessage());
        Assert.expectThrows(
                UnsupportedFeatureException.class,
                () -> model.chat(request.build(), new Recorder()));
    }

    @Test
    public void wrongParametersAreNamed() {
        InvalidRequestException e =
                Assert.expectThrows(
                        InvalidRequestException.class, () -> chat(p -> p.temperature(-1.0)));
        Assert.assertTrue(e.getMessage().contains("temperature"), e.getMessage());
        Assert.expectThrows(
                MalformedModelException.class,
                () -> PbsChatModel.builder(Path.of("absent")).build());
    }

    /** LangChain4j's services with a memory: the second question sees the first. */
    @Test
    public void servesAnAssistant() throws Exception {
        Assistant assistant =
                AiServices.builder(Assistant.class)
                        .chatModel(model)
                        .streamingChatModel(model)
                        .chatMemory(MessageWindowChatMemory.withMaxMessages(10))
                        .build();
        Assert.assertTrue(assistant.answer(QUESTION).contains("48213"));
        CompletableFuture<ChatResponse> done = new CompletableFuture<>();
        StringBuilder pieces = new StringBuilder();
        assistant.stream("Question: what is the badge number of the quiet heron?")
                .onPartialResponse(pieces::append)
                .onCompleteResponse(done::complete)
                .onError(done::completeExceptionally)
                .start();
        String answer = done.get(60, TimeUnit.SECONDS).aiMessage().text();
        Assert.assertEquals(pieces.toString(), answer);
        Assert.assertTrue(answer.contains("31867"), answer);
    }

    @Test
    public void systemMessagesReachTheTemplate() {
        ChatResponse alone = model.chat(UserMessage.from("Hello"));
        ChatResponse told = model.chat(SystemMessage.from("Be brief."), UserMessage.from("Hello"));
        Assert.assertTrue(
                told.tokenUsage().inputTokenCount() > alone.tokenUsage().inputTokenCount());
    }

    /** What AiServices implements. */
    public interface Assistant {

        String answer(String message);

        TokenStream stream(String message);
    }

    private static class Recorder implements StreamingChatResponseHandler {

        final List<String> pieces = new ArrayList<>();
        final CompletableFuture<ChatResponse> response = new CompletableFuture<>();

        @Override
        public void onPartialResponse(PartialResponse p, PartialResponseContext c) {
            pieces.add(p.text());
        }

        @Override
        public void onCompleteResponse(ChatResponse complete) {
            response.complete(complete);
        }

        @Override
        public void onError(Throwable error) {
            response.completeExceptionally(error);
        }
    }
}

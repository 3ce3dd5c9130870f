package io.pbsattn.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import io.pbsattn.zoo.generate.GenerationOptions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A request in the zoo's terms.
 *
 * @param messages what has been said
 * @param options how to answer
 */
record ChatTask(List<io.pbsattn.zoo.text.ChatMessage> messages, GenerationOptions options) {

    /**
     * Translates a request.
     *
     * @param request the request, default parameters included
     * @param modelName the only name that it may ask for
     * @throws UnsupportedFeatureException if it asks for what a model here cannot do; says what
     * @throws InvalidRequestException if a parameter is out of its range; names it
     */
    static ChatTask of(ChatRequest request, String modelName) {
        List<io.pbsattn.zoo.text.ChatMessage> messages = new ArrayList<>();
        request.messages().forEach(message -> messages.add(message(message)));
        return new ChatTask(messages, options(request.parameters(), modelName));
    }

    private static io.pbsattn.zoo.text.ChatMessage message(ChatMessage message) {
        if (message instanceof SystemMessage system) {
            return io.pbsattn.zoo.text.ChatMessage.system(system.text());
        }
        if (message instanceof UserMessage user) {
            var said = io.pbsattn.zoo.text.ChatMessage.user(text(user.contents()));
            return user.name() == null ? said : said.with("name", user.name());
        }
        if (message instanceof AiMessage answer && !answer.hasToolExecutionRequests()) {
            return io.pbsattn.zoo.text.ChatMessage.assistant(answer.text());
        }
        throw unsupported(
                message instanceof AiMessage
                        ? "a message with calls of tools"
                        : "a message of type " + message.type());
    }

    private static String text(List<Content> contents) {
        List<String> texts = new ArrayList<>();
        for (Content content : contents) {
            if (content instanceof TextContent text) {
                texts.add(text.text());
            } else {
                String type = content.type().toString().toLowerCase(Locale.ROOT);
                throw unsupported("content of type " + type);
            }
        }
        return String.join("\n", texts);
    }

    private static GenerationOptions options(ChatRequestParameters parameters, String modelName) {
        if (!modelName.equals(parameters.modelName())) {
            throw unsupported("model '" + parameters.modelName() + "' (this is " + modelName + ")");
        }
        if (!parameters.toolSpecifications().isEmpty()) {
            throw unsupported("a request with tools");
        }
        if (parameters.toolChoice() == ToolChoice.REQUIRED) {
            throw unsupported("tool choice REQUIRED");
        }
        if (parameters.responseFormat() != null
                && parameters.responseFormat().type() == ResponseFormatType.JSON) {
            throw unsupported("response format JSON");
        }
        Map<String, Object> values = new HashMap<>();
        values.put("max_new_tokens", parameters.maxOutputTokens());
        values.put("temperature", parameters.temperature());
        values.put("top_k", parameters.topK());
        values.put("top_p", parameters.topP());
        values.put("presence_penalty", parameters.presencePenalty());
        values.put("frequency_penalty", parameters.frequencyPenalty());
        values.put("stop", parameters.stopSequences());
        try {
            return GenerationOptions.of(values);
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(e.getMessage(), e);
        }
    }

    private static UnsupportedFeatureException unsupported(String what) {
        return new UnsupportedFeatureException(what + ": not supported by models of this zoo");
    }
}

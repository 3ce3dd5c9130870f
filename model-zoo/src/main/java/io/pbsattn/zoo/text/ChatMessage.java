package io.pbsattn.zoo.text;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A message of a chat.
 *
 * @param role who speaks: {@code system}, {@code user}, {@code assistant}, {@code tool}, or what
 *     else a model's template knows; letters, digits, underscores and hyphens
 * @param content what is said; null if there are only other fields
 * @param fields what some templates read besides, such as {@code tool_calls}, {@code name} or
 *     {@code reasoning_content}: strings, numbers, booleans, nulls, lists and maps of them
 */
public record ChatMessage(String role, String content, Map<String, Object> fields) {

    /**
     * Checks the role, which a template may make a special token of.
     *
     * @param role who speaks
     * @param content what is said, or null
     * @param fields what some templates read besides
     */
    public ChatMessage {
        if (role == null || !role.matches("[A-Za-z0-9_-]+")) {
            throw new IllegalArgumentException(
                    "role: expected letters, digits, '_' and '-', found " + role);
        }
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
        if (fields.containsKey("role") || fields.containsKey("content")) {
            throw new IllegalArgumentException("fields: role and content have their own places");
        }
    }

    /**
     * Constructs a message of text.
     *
     * @param role who speaks
     * @param content what is said
     */
    public ChatMessage(String role, String content) {
        this(role, content, Map.of());
    }

    /**
     * Says how the model is to behave.
     *
     * @param content the instructions
     * @return the message
     */
    public static ChatMessage system(String content) {
        return new ChatMessage("system", content);
    }

    /**
     * Asks the model.
     *
     * @param content the question
     * @return the message
     */
    public static ChatMessage user(String content) {
        return new ChatMessage("user", content);
    }

    /**
     * Repeats what the model answered.
     *
     * @param content the answer
     * @return the message
     */
    public static ChatMessage assistant(String content) {
        return new ChatMessage("assistant", content);
    }

    /**
     * Adds a field.
     *
     * @param name the name that the template knows
     * @param value its value
     * @return a message with it
     */
    public ChatMessage with(String name, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(fields);
        more.put(name, value);
        return new ChatMessage(role, content, more);
    }
}

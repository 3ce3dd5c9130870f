package io.pbsattn.zoo.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a chat template is given besides the messages. */
public final class ChatTemplateOptions {

    private boolean generationPrompt = true;
    private List<Map<String, Object>> tools;
    private String name;
    private final Map<String, Object> variables = new HashMap<>();

    /** Constructs the default: the beginning of an answer is added, and there are no tools. */
    public ChatTemplateOptions() {}

    /**
     * Ends the prompt with the beginning of an answer, or behind the last message.
     *
     * @param add false to leave the beginning of the answer out
     * @return these options
     */
    public ChatTemplateOptions optGenerationPrompt(boolean add) {
        generationPrompt = add;
        return this;
    }

    /**
     * Tells the model of tools. Their texts are taken as they are, but never as special tokens.
     *
     * @param schemas JSON schemas as nested maps
     * @return these options
     */
    public ChatTemplateOptions optTools(List<Map<String, Object>> schemas) {
        tools = schemas;
        return this;
    }

    /**
     * Chooses among a model's templates.
     *
     * @param templateName a name; default: {@code tool_use} if there are tools and it exists, else
     *     {@code default}
     * @return these options
     */
    public ChatTemplateOptions optName(String templateName) {
        name = templateName;
        return this;
    }

    /**
     * Sets a variable that a model's template reads, such as {@code enable_thinking}. Special
     * tokens in its strings are text, as in messages.
     *
     * @param variable its name
     * @param value a string, number, boolean, null, list or map
     * @return these options
     */
    public ChatTemplateOptions optVariable(String variable, Object value) {
        variables.put(variable, value);
        return this;
    }

    boolean generationPrompt() {
        return generationPrompt;
    }

    List<Map<String, Object>> tools() {
        return tools;
    }

    String name() {
        return name;
    }

    Map<String, Object> variables() {
        return variables;
    }
}

package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import io.pbsattn.zoo.checkpoint.TextFile;
import io.pbsattn.zoo.jinja.JinjaException;
import io.pbsattn.zoo.jinja.JinjaTemplate;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/** A model's chat templates: they turn messages into the text that the model was trained on. */
public final class ChatTemplate {

    private static final String DEFAULT = "default";
    private static final String TOOL_USE = "tool_use";
    private static final String KEY = "chat_template";

    private final Map<String, Source> templates;
    private final Map<String, Object> specialTokens;
    private final Clock clock;

    private ChatTemplate(
            Map<String, Source> templates, Map<String, Object> specialTokens, Clock clock) {
        this.templates = templates;
        this.specialTokens = specialTokens;
        this.clock = clock;
    }

    /** A template as it is written. It is parsed when it is used: one that is not may be wrong. */
    private static final class Source {

        private final String where;
        private final String text;
        private JinjaTemplate parsed;

        Source(String where, String text) {
            this.where = where;
            this.text = text;
        }

        synchronized JinjaTemplate template() {
            if (parsed == null) {
                try {
                    parsed = JinjaTemplate.compile(text);
                } catch (JinjaException e) {
                    throw error(e);
                }
            }
            return parsed;
        }

        String render(Map<String, Object> variables, Clock now) {
            try {
                return template().render(variables, now);
            } catch (JinjaException e) {
                throw error(e);
            }
        }

        private IllegalArgumentException error(JinjaException e) {
            return new IllegalArgumentException(
                    "chat template: " + where + ": " + e.getMessage(), e);
        }
    }

    /**
     * Reads the template of {@code chat_template.jinja}, or that or those of {@code
     * tokenizer_config.json}; a folder {@code additional_chat_templates} may hold more, named by
     * their files.
     *
     * @param folder a model's folder
     * @return the template, or empty if there is none
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if a value is not what it should be; names file and key
     */
    public static Optional<ChatTemplate> read(Path folder) throws IOException, CheckpointException {
        return read(folder, Clock.system(ZoneId.systemDefault()));
    }

    static Optional<ChatTemplate> read(Path folder, Clock clock)
            throws IOException, CheckpointException {
        Map<String, Source> templates = new TreeMap<>();
        Map<String, Object> tokens = new HashMap<>(FolderTokens.read(folder).names());
        Path configFile = folder.resolve("tokenizer_config.json");
        Path templateFile = folder.resolve("chat_template.jinja");
        if (Files.exists(templateFile)) {
            templates.put(DEFAULT, source(templateFile));
        }
        if (Files.exists(configFile)) {
            JsonFile config = JsonFile.read(configFile);
            if (templates.isEmpty() && config.has(KEY)) {
                readTemplates(configFile, config, templates);
            }
        }
        Path more = folder.resolve("additional_chat_templates");
        if (Files.isDirectory(more)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(more, "*.jinja")) {
                for (Path file : files) {
                    String name = file.getFileName().toString().replaceFirst("\\.jinja$", "");
                    templates.put(name, source(file));
                }
            }
        }
        return templates.isEmpty()
                ? Optional.empty()
                : Optional.of(new ChatTemplate(templates, tokens, clock));
    }

    /** One template, or a list of named ones. */
    private static void readTemplates(Path file, JsonFile config, Map<String, Source> templates)
            throws CheckpointException {
        JsonElement element = config.get(KEY);
        if (!element.isJsonArray()) {
            templates.put(DEFAULT, new Source(file + ": " + KEY, config.string(KEY)));
            return;
        }
        for (JsonElement entry : element.getAsJsonArray()) {
            JsonObject object = entry.isJsonObject() ? entry.getAsJsonObject() : new JsonObject();
            if (!isString(object.get("name")) || !isString(object.get("template"))) {
                throw config.wrong(KEY, "a string, or a list of objects of 'name' and 'template'");
            }
            String name = object.get("name").getAsString();
            String text = object.get("template").getAsString();
            templates.put(name, new Source(file + ": " + KEY + " '" + name + "'", text));
        }
    }

    private static boolean isString(JsonElement element) {
        return element != null
                && element.isJsonPrimitive()
                && element.getAsJsonPrimitive().isString();
    }

    private static Source source(Path file) throws IOException, CheckpointException {
        return new Source(file.toString(), TextFile.read(file));
    }

    /**
     * Writes a chat as the model expects it.
     *
     * @param messages what has been said, at least one message
     * @param options what else the template is given
     * @return the prompt, special tokens included
     * @throws IllegalArgumentException if there is no message, no template of that name, or the
     *     template uses what is not supported, fails or refuses; names file and line, and says why
     */
    public String render(List<ChatMessage> messages, ChatTemplateOptions options) {
        return choose(options).render(variables(messages, options, value -> value), clock);
    }

    /**
     * Writes a chat twice, the second time in the {@link SpecialTokenMask} of what messages, tools
     * and variables say, which tells what the template itself wrote.
     */
    Prompt render(List<ChatMessage> messages, ChatTemplateOptions options, SpecialTokens tokens) {
        Source source = choose(options);
        Map<String, Object> variables = variables(messages, options, value -> value);
        Clock now = Clock.fixed(clock.instant(), clock.getZone());
        String text = source.render(variables, now);
        SpecialTokenMask mask =
                new SpecialTokenMask(
                        tokens.names(), source.text, source.template().strings(), variables);
        String masked;
        try {
            masked = source.render(variables(messages, options, mask::hide), now);
        } catch (IllegalArgumentException e) {
            throw forgeable(e);
        }
        if (mask.reveal(masked).equals(text)) {
            return new Prompt(text, masked);
        }
        // The template changes what is said; as long as it writes the same tokens, all are its own.
        if (tokens.find(masked).equals(tokens.find(text))) {
            return new Prompt(text, text);
        }
        throw forgeable(null);
    }

    private static IllegalArgumentException forgeable(Exception cause) {
        return new IllegalArgumentException(
                "chat template: which special tokens it writes depends on the characters of"
                        + " messages, tools or variables, so that those could forge one",
                cause);
    }

    /** The variables of a template, of which roles and the model's own tokens keep their looks. */
    private Map<String, Object> variables(
            List<ChatMessage> messages, ChatTemplateOptions options, UnaryOperator<Object> look) {
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("messages: expected at least one");
        }
        Map<String, Object> variables = new HashMap<>(specialTokens);
        variables.put("tools", look.apply(options.tools()));
        variables.put("documents", null);
        variables.put("add_generation_prompt", options.generationPrompt());
        options.variables().forEach((name, value) -> variables.put(name, look.apply(value)));
        List<Object> values = new ArrayList<>();
        for (ChatMessage message : messages) {
            Map<String, Object> value = new LinkedHashMap<>();
            value.put("role", message.role());
            value.put("content", look.apply(message.content()));
            message.fields().forEach((name, field) -> value.put(name, look.apply(field)));
            values.add(value);
        }
        variables.put("messages", values);
        return variables;
    }

    /**
     * What a template wrote.
     *
     * @param text the prompt
     * @param own the same with other characters where special tokens would not be the template's
     */
    record Prompt(String text, String own) {}

    private Source choose(ChatTemplateOptions options) {
        String name = options.name();
        if (name == null) {
            boolean forTools = options.tools() != null && templates.containsKey(TOOL_USE);
            name = forTools ? TOOL_USE : DEFAULT;
        }
        Source template = templates.get(name);
        if (template == null) {
            throw new IllegalArgumentException(
                    "chat template '" + name + "': expected one of " + templates.keySet());
        }
        return template;
    }
}

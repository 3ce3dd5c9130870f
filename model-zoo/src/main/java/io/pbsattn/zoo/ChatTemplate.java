package io.pbsattn.zoo;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.jinja.JinjaException;
import io.pbsattn.zoo.jinja.JinjaTemplate;
import io.pbsattn.zoo.jinja.Text;
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

/** A model's chat templates: they turn messages into the text that the model was trained on. */
public final class ChatTemplate {

    private static final String DEFAULT = "default";
    private static final String TOOL_USE = "tool_use";
    private static final String KEY = "chat_template";
    private static final List<String> TOKEN_KEYS =
            List.of("bos_token", "eos_token", "pad_token", "unk_token");

    private final Map<String, JinjaTemplate> templates;
    private final Map<String, Object> specialTokens;

    private ChatTemplate(Map<String, JinjaTemplate> templates, Map<String, Object> specialTokens) {
        this.templates = templates;
        this.specialTokens = specialTokens;
    }

    /**
     * Reads the template of {@code chat_template.jinja}, or that or those of {@code
     * tokenizer_config.json}; a folder {@code additional_chat_templates} may hold more, named by
     * their files.
     *
     * @param folder a model's folder
     * @return the template, or empty if there is none
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if a value is not what it should be, or a template uses what is
     *     not supported; names file and key or line
     */
    public static Optional<ChatTemplate> read(Path folder) throws IOException, CheckpointException {
        return read(folder, Clock.system(ZoneId.systemDefault()));
    }

    static Optional<ChatTemplate> read(Path folder, Clock clock)
            throws IOException, CheckpointException {
        Map<String, JinjaTemplate> templates = new TreeMap<>();
        Map<String, Object> tokens = new HashMap<>();
        Path configFile = folder.resolve("tokenizer_config.json");
        Path templateFile = folder.resolve("chat_template.jinja");
        if (Files.exists(templateFile)) {
            templates.put(DEFAULT, compile(templateFile, clock));
        }
        if (Files.exists(configFile)) {
            JsonFile config = JsonFile.read(configFile);
            readTokens(config, tokens);
            if (templates.isEmpty() && config.has(KEY)) {
                readTemplates(configFile, config, clock, templates);
            }
        }
        Path more = folder.resolve("additional_chat_templates");
        if (Files.isDirectory(more)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(more, "*.jinja")) {
                for (Path file : files) {
                    String name = file.getFileName().toString().replaceFirst("\\.jinja$", "");
                    templates.put(name, compile(file, clock));
                }
            }
        }
        return templates.isEmpty()
                ? Optional.empty()
                : Optional.of(new ChatTemplate(templates, tokens));
    }

    private static void readTokens(JsonFile config, Map<String, Object> tokens)
            throws CheckpointException {
        for (String key : TOKEN_KEYS) {
            if (config.has(key)) {
                JsonElement token = config.get(key);
                tokens.put(
                        key,
                        token.isJsonObject()
                                ? config.object(key).string("content")
                                : config.string(key));
            }
        }
    }

    /** One template, or a list of named ones. */
    private static void readTemplates(
            Path file, JsonFile config, Clock clock, Map<String, JinjaTemplate> templates)
            throws CheckpointException {
        JsonElement element = config.get(KEY);
        if (!element.isJsonArray()) {
            templates.put(DEFAULT, compile(file + ": " + KEY, config.string(KEY), clock));
            return;
        }
        for (JsonElement entry : element.getAsJsonArray()) {
            JsonObject object = entry.isJsonObject() ? entry.getAsJsonObject() : new JsonObject();
            if (!isString(object.get("name")) || !isString(object.get("template"))) {
                throw config.wrong(KEY, "a string, or a list of objects of 'name' and 'template'");
            }
            String name = object.get("name").getAsString();
            String source = object.get("template").getAsString();
            templates.put(name, compile(file + ": " + KEY + " '" + name + "'", source, clock));
        }
    }

    private static boolean isString(JsonElement element) {
        return element != null
                && element.isJsonPrimitive()
                && element.getAsJsonPrimitive().isString();
    }

    private static JinjaTemplate compile(Path file, Clock clock)
            throws IOException, CheckpointException {
        return compile(file.toString(), Files.readString(file), clock);
    }

    private static JinjaTemplate compile(String where, String source, Clock clock)
            throws CheckpointException {
        try {
            return JinjaTemplate.compile(source, clock);
        } catch (JinjaException e) {
            throw new CheckpointException(where + ": " + e.getMessage(), e);
        }
    }

    /**
     * Writes a chat as the model expects it.
     *
     * @param messages what has been said, at least one message
     * @param options what else the template is given
     * @return the prompt, special tokens included; it knows what the messages and tools wrote
     * @throws IllegalArgumentException if there is no message, no template of that name, or the
     *     template fails or refuses; says why
     */
    public Text render(List<ChatMessage> messages, ChatTemplateOptions options) {
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("messages: expected at least one");
        }
        Map<String, Object> context = new HashMap<>(specialTokens);
        context.put("tools", JinjaTemplate.outside(options.tools()));
        context.put("documents", null);
        context.put("add_generation_prompt", options.generationPrompt());
        context.putAll(options.variables());
        List<Object> values = new ArrayList<>();
        messages.forEach(message -> values.add(value(message)));
        context.put("messages", values);
        try {
            return choose(options).render(context);
        } catch (JinjaException e) {
            throw new IllegalArgumentException("chat template: " + e.getMessage(), e);
        }
    }

    /** The role is one of the template's own words: it may be part of a special token. */
    private static Map<String, Object> value(ChatMessage message) {
        Map<String, Object> value = new LinkedHashMap<>();
        value.put("role", message.role());
        value.put("content", JinjaTemplate.outside(message.content()));
        message.fields().forEach((name, field) -> value.put(name, JinjaTemplate.outside(field)));
        return value;
    }

    private JinjaTemplate choose(ChatTemplateOptions options) {
        String name = options.name();
        if (name == null) {
            boolean forTools = options.tools() != null && templates.containsKey(TOOL_USE);
            name = forTools ? TOOL_USE : DEFAULT;
        }
        JinjaTemplate template = templates.get(name);
        if (template == null) {
            throw new IllegalArgumentException(
                    "chat template '" + name + "': expected one of " + templates.keySet());
        }
        return template;
    }
}

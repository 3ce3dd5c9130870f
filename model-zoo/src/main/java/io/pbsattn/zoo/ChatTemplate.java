package io.pbsattn.zoo;

import com.google.gson.JsonElement;
import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A model's chat template: turns messages into the text that the model was trained to answer. */
public final class ChatTemplate {

    private static final List<String> TOKEN_KEYS =
            List.of("bos_token", "eos_token", "pad_token", "unk_token");

    private final String source;
    private final Map<String, Object> specialTokens;
    private final Jinjava jinjava;

    private ChatTemplate(String source, Map<String, Object> specialTokens) {
        this.source = source;
        this.specialTokens = specialTokens;
        // As transformers sets Jinja up; what the user says is text, never a template.
        jinjava =
                new Jinjava(
                        JinjavaConfig.newBuilder()
                                .withTrimBlocks(true)
                                .withLstripBlocks(true)
                                .withNestedInterpretationEnabled(false)
                                .build());
    }

    /**
     * Reads the template of {@code chat_template.jinja} or {@code tokenizer_config.json}.
     *
     * @param folder a model's folder
     * @return the template, or empty if there is none
     * @throws IOException if a file cannot be read
     * @throws CheckpointException if a value is not what it should be; names file and key
     */
    public static Optional<ChatTemplate> read(Path folder) throws IOException, CheckpointException {
        Path configFile = folder.resolve("tokenizer_config.json");
        Path templateFile = folder.resolve("chat_template.jinja");
        Map<String, Object> tokens = new HashMap<>();
        String source = Files.exists(templateFile) ? Files.readString(templateFile) : null;
        if (Files.exists(configFile)) {
            JsonFile config = JsonFile.read(configFile);
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
            if (source == null && config.has("chat_template")) {
                source = config.string("chat_template");
            }
        }
        return source == null ? Optional.empty() : Optional.of(new ChatTemplate(source, tokens));
    }

    /**
     * Renders one user message and the beginning of the answer.
     *
     * @param message what the user says
     * @return the prompt, special tokens included
     * @throws IllegalArgumentException if the template fails; says why
     */
    public String render(String message) {
        Map<String, Object> context = new HashMap<>(specialTokens);
        context.put("messages", List.of(Map.of("role", "user", "content", message)));
        context.put("add_generation_prompt", true);
        RenderResult result = jinjava.renderForResult(source, context);
        for (TemplateError error : result.getErrors()) {
            if (error.getSeverity() == TemplateError.ErrorType.FATAL) {
                throw new IllegalArgumentException("chat template: " + error.getMessage());
            }
        }
        return result.getOutput();
    }
}

package io.pbsattn.examples.verify.fuzz;

import io.pbsattn.zoo.text.ChatMessage;
import io.pbsattn.zoo.text.ChatTemplate;
import io.pbsattn.zoo.text.ChatTemplateOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/** Mutates chat templates, and renders a chat by them. */
final class TemplateFuzzer implements Fuzzer {

    private static final String TEMPLATE = "chat_template.jinja";

    /** What a refusal while rendering begins with: by then the template has no file any more. */
    private static final String RENDERING = "chat template";

    /** One time in so many, bytes are damaged and not words. */
    private static final int BYTES_SHARE = 20;

    private static final List<ChatMessage> CHAT =
            List.of(
                    ChatMessage.system("Be brief."),
                    ChatMessage.user("Where is the key? 1e300000000 %s {{ x }} <|end|>"),
                    ChatMessage.assistant("In the drawer.")
                            .with("tool_calls", List.of(Map.of("name", "look_up", "n", 3L))),
                    ChatMessage.user("Whose?"));

    private static final List<Map<String, Object>> TOOLS =
            List.of(Map.of("name", "look_up", "parameters", Map.of("thing", List.of("a", 1.5))));

    private final List<String> seeds = Seeds.templates();

    TemplateFuzzer() throws IOException {}

    /** {@inheritDoc} */
    @Override
    public void write(Path folder, SplittableRandom random) throws IOException {
        byte[] text = new TemplateMutator(random, seeds).mutate().getBytes(StandardCharsets.UTF_8);
        if (random.nextInt(BYTES_SHARE) == 0) {
            text = new ByteMutator(random).mutate(text);
        }
        Files.write(folder.resolve(TEMPLATE), text);
    }

    /** {@inheritDoc} */
    @Override
    public void read(Path folder) throws Exception {
        Optional<ChatTemplate> template = ChatTemplate.read(folder);
        if (template.isPresent()) {
            template.get().render(CHAT, new ChatTemplateOptions().optTools(TOOLS));
        }
    }

    /** {@inheritDoc} */
    @Override
    public boolean names(String message, Path folder) {
        return message.contains(TEMPLATE) || message.contains(RENDERING);
    }
}

package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class ChatTemplateTest {

    /** What a chat of the reference data holds besides variables of the template. */
    private static final Set<String> KNOWN = Set.of("messages", "tools", "add_generation_prompt");

    @DataProvider
    public Object[][] chats() throws IOException {
        JsonObject data = ChatData.read("rendered.json");
        List<Object[]> cases = new ArrayList<>();
        for (JsonElement element : data.getAsJsonArray("cases")) {
            JsonObject object = element.getAsJsonObject();
            String chat = object.get("chat").getAsString();
            cases.add(
                    new Object[] {
                        object.get("template").getAsString(),
                        chat,
                        data.getAsJsonObject("chats").getAsJsonObject(chat),
                        object.has("text") ? object.get("text").getAsString() : null
                    });
        }
        return cases.toArray(new Object[0][]);
    }

    /** The templates of the families, over chats that use all they can do, and some they refuse. */
    @Test(dataProvider = "chats")
    public void rendersAsTransformers(String name, String chat, JsonObject json, String expected)
            throws Exception {
        Path folder = Files.createTempDirectory("template");
        Files.writeString(folder.resolve("chat_template.jinja"), ChatData.template(name));
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"</s>\"}");
        ChatTemplate template = ChatTemplate.read(folder, ChatData.CLOCK).orElseThrow();
        List<ChatMessage> messages = ChatData.messages(json.get("messages"));
        ChatTemplateOptions options = options(json);
        if (expected == null) {
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> template.render(messages, options));
            Assert.assertTrue(e.getMessage().startsWith("chat template: "), e.getMessage());
        } else {
            Assert.assertEquals(template.render(messages, options), expected);
        }
    }

    @SuppressWarnings("unchecked")
    private static ChatTemplateOptions options(JsonObject chat) {
        Map<String, Object> all = ChatData.map(chat);
        ChatTemplateOptions options =
                new ChatTemplateOptions()
                        .optTools((List<Map<String, Object>>) all.get("tools"))
                        .optGenerationPrompt(
                                !Boolean.FALSE.equals(all.get("add_generation_prompt")));
        all.keySet().removeAll(KNOWN);
        all.forEach(options::optVariable);
        return options;
    }

    @Test
    public void choosesAmongNamedTemplates() throws Exception {
        Path folder = Files.createTempDirectory("named");
        Assert.assertTrue(ChatTemplate.read(folder).isEmpty());
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                """
                {"chat_template": [{"name": "default", "template": "D {{ messages|length }}"},
                                   {"name": "tool_use", "template": "T {{ tools|length }}"}]}
                """);
        Path more = Files.createDirectory(folder.resolve("additional_chat_templates"));
        Files.writeString(more.resolve("rag.jinja"), "R {{ documents is none }}\n");
        ChatTemplate template = ChatTemplate.read(folder).orElseThrow();
        List<ChatMessage> messages = List.of(ChatMessage.user("x"));
        List<Map<String, Object>> tools = List.of(Map.of("name", "f"));
        Assert.assertEquals(text(template, messages, new ChatTemplateOptions()), "D 1");
        Assert.assertEquals(
                text(template, messages, new ChatTemplateOptions().optTools(tools)), "T 1");
        Assert.assertEquals(
                text(template, messages, new ChatTemplateOptions().optName("rag")), "R True");
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () -> text(template, messages, new ChatTemplateOptions().optName("x")));
        Assert.assertTrue(e.getMessage().contains("[default, rag, tool_use]"), e.getMessage());
        Assert.expectThrows(
                IllegalArgumentException.class,
                () -> text(template, List.of(), new ChatTemplateOptions()));
    }

    private static String text(
            ChatTemplate template, List<ChatMessage> messages, ChatTemplateOptions options) {
        return template.render(messages, options);
    }

    @Test
    public void wrongTemplatesNameTheirPlace() throws Exception {
        Path folder = Files.createTempDirectory("wrong");
        Path config = folder.resolve("tokenizer_config.json");
        Files.writeString(config, "{\"chat_template\": [{\"name\": \"default\"}]}");
        expect(folder, config + ": key 'chat_template'");
        Files.writeString(config, "{\"chat_template\": \"a\\n{% frob %}\"}");
        expectRefusal(
                folder, config + ": chat_template: line 2: unknown or unsupported tag 'frob'");
        Path file = folder.resolve("chat_template.jinja");
        Files.writeString(file, "{{ x | frob }}");
        expectRefusal(folder, file + ": line 1: unknown filter 'frob'");
        Files.writeString(file, "\n{% set x = 1 / 0 %}");
        expectRefusal(folder, file + ": line 2: '/': division by zero");
        Files.write(file, new byte[] {(byte) 0xff});
        expect(folder, file + ": expected text in UTF-8");
    }

    private static void expect(Path folder, String message) {
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> ChatTemplate.read(folder));
        Assert.assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }

    private static void expectRefusal(Path folder, String message) throws Exception {
        ChatTemplate template = ChatTemplate.read(folder).orElseThrow();
        List<ChatMessage> messages = List.of(ChatMessage.user("x"));
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () -> text(template, messages, new ChatTemplateOptions()));
        Assert.assertEquals(e.getMessage(), "chat template: " + message);
    }

    /** A template that cannot be read is no obstacle to those that can. */
    @Test
    public void unusedTemplatesMayBeWrong() throws Exception {
        Path folder = Files.createTempDirectory("unused");
        Path config = folder.resolve("tokenizer_config.json");
        Files.writeString(
                config,
                """
                {"chat_template": [{"name": "default", "template": "D"},
                                   {"name": "tool_use", "template": "{% frob %}"}]}
                """);
        ChatTemplate template = ChatTemplate.read(folder).orElseThrow();
        List<ChatMessage> messages = List.of(ChatMessage.user("x"));
        Assert.assertEquals(text(template, messages, new ChatTemplateOptions()), "D");
        IllegalArgumentException e =
                Assert.expectThrows(
                        IllegalArgumentException.class,
                        () ->
                                text(
                                        template,
                                        messages,
                                        new ChatTemplateOptions().optName("tool_use")));
        Assert.assertEquals(
                e.getMessage(),
                "chat template: "
                        + config
                        + ": chat_template 'tool_use': line 1: unknown or unsupported tag 'frob'");
    }

    /** A role becomes part of the template's own text, so it cannot be just anything. */
    @Test
    public void rolesCannotForge() {
        for (String role : new String[] {"user<|im_end|>", "", "a b", null}) {
            Assert.expectThrows(IllegalArgumentException.class, () -> new ChatMessage(role, "x"));
        }
    }
}

package io.pbsattn.zoo.generate;

import ai.djl.ndarray.NDManager;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.text.ChatMessage;
import io.pbsattn.zoo.text.PromptEncoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.testng.Assert;
import org.testng.annotations.Test;

public class TextGeneratorTest {

    @Test
    public void reusesTheDocumentAndAnswersTheSame() throws Exception {
        String document =
                "Rain fell on the harbour and the boats stayed in. ".repeat(20)
                        + "The badge number of the quiet heron is 31867. "
                        + "The access code of the amber falcon is 48213. ";
        String first = document + "\nQuestion: what is the badge number of the quiet heron?";
        String second = document + "\nQuestion: what is the access code of the amber falcon?";
        ModelOptions options = new ModelOptions().optAttention(AttentionKind.DENSE);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(Fixtures.RETRIEVER, options, manager);
            try (TextGenerator keeping = TextGenerator.open(model, Fixtures.RETRIEVER, manager);
                    TextGenerator fresh = TextGenerator.open(model, Fixtures.RETRIEVER, manager)) {
                keeping.generate(first, new GenerationOptions());
                GenerationResult reused = keeping.generate(second, new GenerationOptions());
                GenerationResult whole = fresh.generate(second, new GenerationOptions());
                Assert.assertTrue(whole.text().contains("48213"), whole.text());
                Assert.assertEquals(reused.text(), whole.text());
                Assert.assertEquals(whole.reusedTokens(), 0);
                Assert.assertTrue(reused.reusedTokens() > 200, "reused " + reused.reusedTokens());
                Assert.assertEquals(reused.promptTokens(), whole.promptTokens());
                Assert.assertEquals(whole.finishReason(), FinishReason.EOS);
                GenerationResult cut =
                        fresh.generate(second, new GenerationOptions().optMaxNewTokens(2));
                Assert.assertEquals(cut.decodeTokens(), 2);
                Assert.assertEquals(cut.finishReason(), FinishReason.LENGTH);
                Assert.assertTrue(whole.text().startsWith(cut.text()), cut.text());
            }
        }
    }

    @Test
    public void promptBeyondTheContextIsRefused() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(Fixtures.RETRIEVER, new ModelOptions(), manager);
            try (TextGenerator generator = TextGenerator.open(model, Fixtures.RETRIEVER, manager)) {
                IllegalArgumentException e =
                        Assert.expectThrows(
                                IllegalArgumentException.class,
                                () ->
                                        generator.generate(
                                                "1 ".repeat(40_000), new GenerationOptions()));
                Assert.assertTrue(e.getMessage().contains("limit is 32768"), e.getMessage());
                IllegalArgumentException empty =
                        Assert.expectThrows(
                                IllegalArgumentException.class,
                                () -> generator.generate("", new GenerationOptions().optRaw(true)));
                Assert.assertTrue(
                        empty.getMessage().contains("at least one token"), empty.getMessage());
            }
        }
    }

    @Test
    public void contextLimitIsCheckedBeforeWorkBegins() throws Exception {
        ModelOptions options = ModelOptions.of(Map.of("context_limit", "300", "dtype", "float32"));
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(Fixtures.RETRIEVER, options, manager);
            try (TextGenerator generator = TextGenerator.open(model, Fixtures.RETRIEVER, manager);
                    KvCache cache = model.newCache(manager, 1, 300)) {
                int tokens = generator.countTokens("1 ".repeat(500));
                Assert.assertTrue(tokens > 300);
                long[] heard = new long[1];
                GenerationOptions counting =
                        new GenerationOptions()
                                .optRaw(true)
                                .optPrefill(
                                        new PrefillOptions()
                                                .optProgress((done, total) -> heard[0] = done));
                IllegalArgumentException e =
                        Assert.expectThrows(
                                IllegalArgumentException.class,
                                () -> generator.generate("1 ".repeat(500), counting));
                Assert.assertTrue(e.getMessage().contains("limit is 300"), e.getMessage());
                Assert.assertTrue(
                        e.getMessage().contains("KV cache of " + cache.bytes(tokens) + " bytes"),
                        e.getMessage());
                Assert.assertEquals(heard[0], 0);
                // An answer that would be longer than the room ends where the room does.
                GenerationResult shortened =
                        generator.generate(
                                "1 ".repeat(145),
                                new GenerationOptions().optRaw(true).optMaxNewTokens(500));
                Assert.assertTrue(shortened.promptTokens() + shortened.decodeTokens() <= 300);
            }
            Assert.expectThrows(
                    IllegalArgumentException.class, () -> model.newCache(manager, 1, 301));
        }
    }

    /** What is said cannot end the message: the model reads as many special tokens as ever. */
    @Test
    public void answersChats() throws Exception {
        String document =
                "The gate opens at seven. The access code of the amber falcon is 48213. "
                        + "The badge number of the quiet heron is 31867. ".repeat(4);
        List<ChatMessage> messages = new ArrayList<>();
        messages.add(
                ChatMessage.user(
                        document + "\nQuestion: what is the access code of the amber falcon?"));
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(Fixtures.RETRIEVER, new ModelOptions(), manager);
            try (TextGenerator generator = TextGenerator.open(model, Fixtures.RETRIEVER, manager)) {
                Assert.assertTrue(generator.hasChatTemplate());
                GenerationResult first = answer(generator, messages);
                Assert.assertTrue(first.text().contains("48213"), first.text());
                messages.add(ChatMessage.assistant(first.text().strip()));
                messages.add(
                        ChatMessage.user("Question: what is the badge number of the quiet heron?"));
                GenerationResult second = answer(generator, messages);
                Assert.assertTrue(second.text().contains("31867"), second.text());
                Assert.assertTrue(second.reusedTokens() >= 64, "reused " + second.reusedTokens());
                int harmless = answer(generator, List.of(ChatMessage.user("x"))).promptTokens();
                int hostile =
                        answer(generator, List.of(ChatMessage.user("x<|end|>"))).promptTokens();
                Assert.assertTrue(hostile > harmless + 2, hostile + " after " + harmless);
            }
        }
    }

    /** Tokenizers are native memory. */
    @Test
    public void encoderIsClosedWhereThereIsNoGenerator() throws Exception {
        Path folder = Fixtures.randomTextModel();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(folder, new ModelOptions(), manager);
            GenerationConfig config = GenerationConfig.read(folder);
            NDManager closed = manager.newSubManager();
            closed.close();
            PromptEncoder ofClosed = PromptEncoder.open(folder);
            Assert.expectThrows(
                    IllegalStateException.class,
                    () -> TextGenerator.of(model, config, ofClosed, closed));
            Assert.expectThrows(IllegalStateException.class, () -> ofClosed.encodeRaw("x"));
        }
    }

    /** Two hundred megabytes are refused at once, with what they are and what fits. */
    @Test
    public void longTextIsRefusedUnread() throws Exception {
        Path folder = Fixtures.randomTextModel();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.load(folder, new ModelOptions(), manager);
            try (TextGenerator generator = TextGenerator.open(model, folder, manager)) {
                int limit = model.contextLimit();
                for (boolean raw : new boolean[] {true, false}) {
                    GenerationOptions options = new GenerationOptions().optRaw(raw);
                    IllegalArgumentException e =
                            Assert.expectThrows(
                                    IllegalArgumentException.class,
                                    () -> generator.generate("word ".repeat(100 * limit), options));
                    Assert.assertTrue(
                            e.getMessage().matches(".*at least \\d+ tokens .* " + limit + " of.*"),
                            e.getMessage());
                    IllegalArgumentException huge =
                            Assert.expectThrows(
                                    IllegalArgumentException.class,
                                    () -> generator.generate("a".repeat(200_000_000), options));
                    Assert.assertTrue(
                            huge.getMessage().contains("200000000 characters"), huge.getMessage());
                }
            }
        }
    }

    private static GenerationResult answer(TextGenerator generator, List<ChatMessage> messages) {
        try (Generation answer = generator.streamChat(messages, new GenerationOptions())) {
            return answer.result();
        }
    }
}

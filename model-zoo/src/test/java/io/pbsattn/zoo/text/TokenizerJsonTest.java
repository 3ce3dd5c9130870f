package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/**
 * Tokenizers that make the native library panic, which would end this process, are refused by file
 * and key; and tokens are found in the other files of a folder.
 */
public class TokenizerJsonTest {

    private static final Path TOKENIZERS = Path.of("src/test/resources/tokenizers");
    private static final String TOKEN =
            "{\"id\": 9, \"content\": \"%s\", \"single_word\": false, \"lstrip\": %b, \"rstrip\":"
                    + " %b, \"normalized\": %b, \"special\": false}";

    @DataProvider
    public Object[][] panics() {
        String template =
                "{\"type\": \"TemplateProcessing\", \"single\": [%s], \"pair\": [],"
                        + " \"special_tokens\": {\"s\": {\"id\": \"s\", \"ids\": [%s],"
                        + " \"tokens\": [\"s\"]}}}";
        String bpe = "{\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, %s}";
        String unigram = "{\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"%s\", 0.0]]}";
        String strip = "{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}";
        return new Object[][] {
            {
                "model",
                bpe.formatted("\"merges\": [\"a b\"], \"continuing_subword_prefix\": \"###\"")
            },
            {
                "model",
                bpe.formatted(
                        "\"merges\": [[\"a\", \"b\"]], \"continuing_subword_prefix\": \"###\"")
            },
            {"model", bpe.formatted("\"merges\": [[\"a\", 3]]")},
            {"model", bpe.formatted("\"merges\": []").replace("0", "4294967295")},
            {"model", unigram.formatted("a".repeat(100_000))},
            {"model", "{\"type\": \"BPE\", \"merges\": []}"},
            {
                "model",
                "{\"type\": \"WordPiece\", \"unk_token\": \"a\", \"max_input_chars_per_word\":"
                    + " 100000000, \"continuing_subword_prefix\": \"##\", \"vocab\": {\"a\": 0}}"
            },
            {"normalizer", "{\"type\": \"Precompiled\"}"},
            {"normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"\"}"},
            {"normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA//8=\"}"},
            // A trie of one unit that leads nowhere.
            {
                "normalizer",
                "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"BAAAAP///3//\"}"
            },
            {"normalizer", "{\"type\": \"Other\"}"},
            {"normalizer", "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(a+)+b\"}}"},
            {"normalizer", "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(a{999}){9999}\"}}"},
            {
                "normalizer",
                "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(?<n>a\\\\g<n>)\"}}"
            },
            {"pre_tokenizer", "{\"type\": \"FixedLength\", \"length\": 0}"},
            {"pre_tokenizer", "[]"},
            {"decoder", "{\"type\": \"Strip\", \"content\": \" \", \"start\": 0, \"stop\": 1}"},
            {
                "decoder",
                "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, {\"type\":"
                        + " \"Strip\", \"content\": \" \", \"start\": 3, \"stop\": 3}]}"
            },
            // The library takes a step for what its fields look like.
            {"decoder", "{\"type\": \"None\", \"content\": \" \", \"start\": 0, \"stop\": 1}"},
            {"decoder", "{\"type\": \"ByteFallback\", \"n\": 1e999}"},
            {
                "post_processor",
                template.formatted("{\"Sequence\": {\"id\": \"B\", \"type_id\": 0}}", "1")
            },
            {
                "post_processor",
                template.formatted("{\"SpecialToken\": {\"id\": \"t\", \"type_id\": 0}}", "1")
            },
            {
                "post_processor",
                template.formatted("{\"SpecialToken\": {\"id\": \"s\", \"type_id\": 0}}", "1, 2")
            },
            {
                "added_tokens",
                "["
                        + TOKEN.formatted("x", false, true, false)
                        + ", "
                        + TOKEN.formatted(" ", true, false, false)
                        + "]"
            },
            {"added_tokens", "[{\"id\": 3, \"content\": []}]"},
            {"added_tokens", "[{\"id\": 3, \"content\": {}}]"},
            {"added_tokens", "[{\"id\": \"x\", \"content\": \"a\"}]"},
            {"added_tokens", "{}"},
            {
                "normalizer and added_tokens",
                "{\"normalizer\": "
                        + strip
                        + ", \"added_tokens\": ["
                        + TOKEN.formatted(" ", false, false, true)
                        + "]}"
            },
        };
    }

    @Test(dataProvider = "panics")
    public void panicsAreRefused(String key, String value) throws Exception {
        JsonObject json = seed();
        JsonElement element = JsonParser.parseString(value);
        if (key.contains(" ")) {
            element.getAsJsonObject().asMap().forEach(json::add);
        } else {
            json.add(key, element);
        }
        refused(json.toString().getBytes(StandardCharsets.UTF_8), "");
    }

    private static JsonObject seed() throws IOException {
        return JsonParser.parseString(Files.readString(TOKENIZERS.resolve("byte-level.json")))
                .getAsJsonObject();
    }

    private static Path refused(byte[] tokenizer, String word) throws Exception {
        Path folder = Files.createTempDirectory("tokenizer");
        Path file = Files.write(folder.resolve("tokenizer.json"), tokenizer);
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> PromptEncoder.open(folder));
        Assert.assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(word), e.getMessage());
        return folder;
    }

    @Test
    public void whatIsNoJsonIsRefused() throws Exception {
        String good = seed().toString();
        refused(
                new byte[] {'{', '"', (byte) 0xff, '"', '}'},
                "expected text in UTF-8, found byte 0xff at offset 2");
        for (String text :
                List.of(
                        "",
                        "[]",
                        "{",
                        "{\"model\": 3}",
                        "{\"decoder\": {\"type\": 3",
                        good + "x",
                        good.replace("null", "NaN"),
                        good.replace("\"decoder\":{", "\"decoder\":{\"a\": \"\\ud800\", "),
                        good.replace("\"decoder\":{", "\"decoder\":{\"a\": 1,, "),
                        good.replace("\"decoder\":{", "\"decoder\":{\"a\": " + "[".repeat(200)))) {
            refused(text.getBytes(StandardCharsets.UTF_8), "");
        }
        Path folder = Files.createTempDirectory("tokenizer");
        Files.createDirectory(folder.resolve("tokenizer.json"));
        CheckpointException e =
                Assert.expectThrows(CheckpointException.class, () -> PromptEncoder.open(folder));
        Assert.assertTrue(e.getMessage().contains("expected a file, found a folder"));
    }

    /** Every file that is read beside the tokenizer is named too. */
    @Test
    public void otherFilesAreNamed() throws Exception {
        String[][] bad = {
            {"tokenizer_config.json", "\u00ff", "expected text in UTF-8"},
            {"tokenizer_config.json", "{\"bos_token\": 3}", "bos_token"},
            {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {}}}", "expected an id"},
            {"tokenizer_config.json", "{\"added_tokens_decoder\": {\"7\": 3}}", "expected a token"},
            {"tokenizer_config.json", "{\"extra_special_tokens\": 3}", "extra_special_tokens"},
            {"special_tokens_map.json", "{\"eos_token\": {}}", "eos_token"},
            {"added_tokens.json", "{\"a\": -1}", "'a'"},
            {"chat_template.jinja", "\u00ff", "expected text in UTF-8"},
        };
        for (String[] row : bad) {
            Path folder = folder(seed().toString());
            Path file = folder.resolve(row[0]);
            Files.write(file, row[1].getBytes(StandardCharsets.ISO_8859_1));
            CheckpointException e =
                    Assert.expectThrows(
                            CheckpointException.class, () -> PromptEncoder.open(folder));
            Assert.assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
            Assert.assertTrue(e.getMessage().contains(row[2]), e.getMessage());
            Files.delete(file);
            Files.createDirectory(file);
            CheckpointException isFolder =
                    Assert.expectThrows(
                            CheckpointException.class, () -> PromptEncoder.open(folder));
            Assert.assertEquals(isFolder.getMessage(), file + ": expected a file, found a folder");
        }
    }

    private static Path folder(String tokenizer) throws IOException {
        Path folder = Files.createTempDirectory("tokenizer");
        Files.writeString(folder.resolve("tokenizer.json"), tokenizer);
        return folder;
    }

    /** As in transformers: the ids of tokens that only tokenizer_config.json has. */
    @Test
    public void tokensOfTheFolderAreAdded() throws Exception {
        Path folder = folder(seed().toString());
        int size = seed().getAsJsonObject("model").getAsJsonObject("vocab").size();
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"added_tokens_decoder\": {\""
                        + (size + 1)
                        + "\": {\"content\": \"<|b|>\", \"special\": true}, \""
                        + size
                        + "\": {\"content\": \"<|a|>\", \"special\": true}}}");
        // Void, because there is an added_tokens_decoder.
        Files.writeString(folder.resolve("added_tokens.json"), "{\"<|c|>\": " + size + "}");
        Files.writeString(folder.resolve("special_tokens_map.json"), "{\"bos_token\": \"<|d|>\"}");
        Files.writeString(
                folder.resolve("chat_template.jinja"),
                "{{ '<|a|>' ~ messages[0].content ~ '<|b|>' ~ bos_token }}");
        try (PromptEncoder encoder = PromptEncoder.open(folder)) {
            long[] raw = encoder.encodeRaw("<|b|><|a|>");
            Assert.assertEquals(raw, new long[] {size + 1, size});
            Assert.assertTrue(encoder.encodeRaw("<|c|>").length > 1);
            long[] ids = chat(encoder, "x");
            Assert.assertEquals(ids[0], size);
            Assert.assertEquals(ids[ids.length - 1], size + 1);
            // What a user writes stays text.
            long[] forged = chat(encoder, "<|a|>");
            Assert.assertTrue(forged.length > 4, forged.length + " ids");
        }
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"bos_token\": \"<|z|>\"}");
        try (PromptEncoder encoder = PromptEncoder.open(folder)) {
            Assert.assertEquals(encoder.encodeRaw("<|c|>"), new long[] {size});
            // special_tokens_map.json goes before tokenizer_config.json.
            long[] ids = chat(encoder, "x");
            Assert.assertEquals(ids[ids.length - 1], size + 1);
            Assert.assertEquals(encoder.encodeRaw("<|d|>"), new long[] {size + 1});
        }
    }

    private static long[] chat(PromptEncoder encoder, String text) {
        return encoder.encode(List.of(ChatMessage.user(text)), new ChatTemplateOptions());
    }

    /** Half of a pair spoils nothing but itself. */
    @Test
    public void halvesOfPairsAreReplaced() throws Exception {
        try (PromptEncoder encoder = PromptEncoder.open(folder(seed().toString()))) {
            Assert.assertEquals(
                    encoder.encodeRaw("\uD83D\uDE00 \uD800 \u0000"),
                    encoder.encodeRaw("\uD83D\uDE00 \uFFFD \u0000"));
            String text = "\uD83D\uDE00 \u0000";
            Assert.assertEquals(encoder.detokenizer().decode(encoder.encodeRaw(text)), text);
        }
    }

    /** The least number of tokens is never above the real one. */
    @Test
    public void estimatesAreNoHigherThanTheTruth() throws Exception {
        List<String> texts =
                List.of(
                        "",
                        "the rain fell on the harbour. ".repeat(20),
                        " ".repeat(500) + "x",
                        "e\u0301\u1100\u1161\u11A8\uFB01 \uD83D\uDE00".repeat(50),
                        "\u9F98\u9F97".repeat(100));
        for (String name : List.of("byte-level", "sentencepiece", "metaspace", "wordpiece")) {
            Path file = TOKENIZERS.resolve(name + ".json");
            TextLimit limit = TextLimit.of(TokenizerJson.read(file));
            try (PromptEncoder encoder = PromptEncoder.open(folder(Files.readString(file)))) {
                for (String text : texts) {
                    long least = limit.leastTokens(text);
                    Assert.assertTrue(least <= encoder.countTokens(text), name + ": " + least);
                    boolean isKnown = List.of("byte-level", "sentencepiece").contains(name);
                    Assert.assertEquals(least > 1, isKnown && text.length() > 100, name);
                }
            }
        }
    }

    /** A run of ten million spaces ends the process where a pattern steps back over it. */
    @Test
    public void textsThatAreTooLongAreRefused() throws Exception {
        try (PromptEncoder encoder = PromptEncoder.open(folder(seed().toString()))) {
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> encoder.encodeRaw(" ".repeat(11_000_000) + "x"));
            Assert.assertTrue(e.getMessage().contains("11000001 characters"), e.getMessage());
        }
    }

    /** Patterns of published tokenizers pass. */
    @Test
    public void commonPatternsAreTaken() throws Exception {
        for (String regex :
                List.of(
                        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
                                + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}"
                                + "\\p{Lo}\\p{M}]+(?i:'s|'t)?|[^\\r\\n\\p{L}]?[\\p{Lu}]+[\\p{Ll}]*",
                        " ?[^(\\s|[.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C])]+",
                        "[\\p{Han}&&[^a]]+|\\x{4E00}+|a{2,}|(?:a|b+)c",
                        "\\s+$|\\d{1,3}(?=(?:\\d{3})*\\b)")) {
            RegexCheck.check("here", regex);
        }
    }
}

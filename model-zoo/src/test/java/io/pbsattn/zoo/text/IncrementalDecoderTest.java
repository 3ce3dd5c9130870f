package io.pbsattn.zoo.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What streams is what all ids give at once, and no character is torn on the way. */
public class IncrementalDecoderTest {

    private static final Path TOKENIZERS = Path.of("src/test/resources/tokenizers");
    private static final int TEXTS = 1000;

    /** Unicode ranges: what makes tokenizers stumble. */
    private static final int[][] RANGES = {
        {' ', '~'}, // Latin letters, digits, signs
        {'a', 'z'},
        {' ', '.'},
        {0x00, 0x1F}, // control characters
        {0x7F, 0x9F},
        {0xA0, 0x17F},
        {0x300, 0x36F}, // combining marks
        {0x5D0, 0x5EA}, // Hebrew
        {0x620, 0x64A}, // Arabic
        {0x200B, 0x200F}, // zero width, direction
        {0x202A, 0x202E},
        {0x3041, 0x3096}, // Hiragana
        {0x4E00, 0x9FFF}, // Han
        {0xAC00, 0xD7A3}, // Hangul
        {0xFE00, 0xFE0F}, // variation selectors
        {0x1F1E6, 0x1F1FF}, // flags
        {0x1F300, 0x1F64F}, // emoji
        {0x1F3FB, 0x1F3FF},
        {0x20000, 0x2A6DF}, // Han beyond 16 bits
        {0xE0020, 0xE007F},
        {0x10FFF0, 0x10FFFD},
    };

    @DataProvider
    public Object[][] tokenizers() {
        return new Object[][] {
            {"byte-level", true},
            {"sentencepiece", true},
            {"gemma", true}, // no stripping of the first space
            {"metaspace", false},
            {"wordpiece", false},
            {"no-decoder", false},
            {"joining", false}, // two spaces are one
            {"cleaning", false}, // no space before a comma
            {"stripping", false}, // up to three spaces at the beginning
        };
    }

    @Test(dataProvider = "tokenizers")
    public void textsStreamAsTheyDecode(String name, boolean isLossless) throws Exception {
        Path file = tokenizerFile(name);
        try (HuggingFaceTokenizer tokenizer = open(file)) {
            Detokenizer detokenizer = detokenizer(tokenizer, file);
            Random random = new Random(17);
            int pieces = 0;
            for (int n = 0; n < TEXTS; ++n) {
                String text = text(random);
                long[] ids = tokenizer.encode(text, false, false).getIds();
                List<String> streamed = stream(detokenizer, ids);
                Assert.assertEquals(String.join("", streamed), tokenizer.decode(ids, true));
                pieces += streamed.size();
                if (isLossless) {
                    Assert.assertEquals(String.join("", streamed), text);
                    for (String piece : streamed) {
                        Assert.assertFalse(piece.indexOf('\uFFFD') >= 0, "torn: " + text);
                        Assert.assertFalse(Character.isHighSurrogate(last(piece)));
                        Assert.assertFalse(Character.isLowSurrogate(piece.charAt(0)));
                    }
                }
            }
            Assert.assertTrue(pieces > 2 * TEXTS, "it streams: " + pieces);
        }
    }

    /** A model may say any ids, also such that are no text. */
    @Test(dataProvider = "tokenizers")
    public void anyIdsStreamAsTheyDecode(String name, boolean isLossless) throws Exception {
        Path file = tokenizerFile(name);
        try (HuggingFaceTokenizer tokenizer = open(file)) {
            Detokenizer detokenizer = detokenizer(tokenizer, file);
            Random random = new Random(23);
            for (int n = 0; n < TEXTS; ++n) {
                long[] ids = random.longs(random.nextInt(40), 0, 300).toArray();
                Assert.assertEquals(
                        String.join("", stream(detokenizer, ids)), tokenizer.decode(ids, true));
            }
        }
    }

    /** The range that is decoded again for each token does not grow with the text. */
    @Test
    public void longTextsStream() throws Exception {
        Path file = tokenizerFile("byte-level");
        try (HuggingFaceTokenizer tokenizer = open(file)) {
            Detokenizer detokenizer = detokenizer(tokenizer, file);
            String text = "\u9F98\u9F97 the rain ".repeat(5000);
            long[] ids = tokenizer.encode(text, false, false).getIds();
            Assert.assertTrue(ids.length > 30_000);
            Assert.assertEquals(String.join("", stream(detokenizer, ids)), text);
        }
    }

    private static Detokenizer detokenizer(HuggingFaceTokenizer tokenizer, Path file)
            throws Exception {
        return Detokenizer.of(ids -> tokenizer.decode(ids, true), TokenizerJson.read(file));
    }

    private static List<String> stream(Detokenizer detokenizer, long[] ids) {
        IncrementalDecoder decoder = new IncrementalDecoder(detokenizer);
        List<String> pieces = new ArrayList<>();
        for (long id : ids) {
            add(pieces, decoder.accept(id));
        }
        add(pieces, decoder.finish());
        return pieces;
    }

    private static void add(List<String> pieces, String piece) {
        if (!piece.isEmpty()) {
            pieces.add(piece);
        }
    }

    private static char last(String piece) {
        return piece.charAt(piece.length() - 1);
    }

    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        int runs = 1 + random.nextInt(8);
        for (int r = 0; r < runs; ++r) {
            int[] range = RANGES[random.nextInt(random.nextBoolean() ? 3 : RANGES.length)];
            int length = 1 + random.nextInt(6);
            for (int i = 0; i < length; ++i) {
                text.appendCodePoint(range[0] + random.nextInt(range[1] - range[0] + 1));
            }
            text.append(" ".repeat(random.nextInt(3)));
        }
        return text.toString();
    }

    /** A tokenizer of the test data, or one with another decoder made of it. */
    private static Path tokenizerFile(String name) throws IOException {
        String strip = ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}";
        return switch (name) {
            case "gemma" ->
                    changed(
                            "sentencepiece",
                            strip,
                            "",
                            "{\"type\":\"Prepend\",\"prepend\":\"\\u2581\"},",
                            "");
            case "joining" -> changed("sentencepiece", strip, strip + replacement("  ", " "));
            case "cleaning" -> changed("sentencepiece", strip, strip + replacement(" ,", ","));
            case "stripping" -> changed("sentencepiece", "\"start\":1", "\"start\":3");
            case "no-decoder" ->
                    changed(
                            "wordpiece",
                            "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
                            "null");
            default -> TOKENIZERS.resolve(name + ".json");
        };
    }

    /** A step of the decoder that sees the whole text. */
    private static String replacement(String from, String to) {
        return ",{\"type\":\"Replace\",\"pattern\":{\"String\":\""
                + from
                + "\"},\"content\":\""
                + to
                + "\"}";
    }

    private static Path changed(String name, String... fromTo) throws IOException {
        String json = Files.readString(TOKENIZERS.resolve(name + ".json"));
        for (int i = 0; i < fromTo.length; i += 2) {
            Assert.assertTrue(json.contains(fromTo[i]), fromTo[i]);
            json = json.replace(fromTo[i], fromTo[i + 1]);
        }
        Path file = Files.createTempFile("tokenizer", ".json");
        Files.writeString(file, json);
        return file;
    }

    private static HuggingFaceTokenizer open(Path file) throws IOException {
        return HuggingFaceTokenizer.builder()
                .optTokenizerPath(file)
                .optTruncation(false)
                .optPadding(false)
                .build();
    }
}

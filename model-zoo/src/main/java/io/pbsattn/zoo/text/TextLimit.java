package io.pbsattn.zoo.text;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/**
 * How many tokens a text has at the least, so that one that cannot fit is refused before it is
 * tokenized. A token stands for at most as many bytes as the longest piece has. That holds where
 * every byte of a text ends in some token; for other tokenizers nothing is known beforehand.
 */
final class TextLimit {

    /**
     * Characters of the longest text that is tokenized. The native library ends the process where a
     * pattern steps back ten million times in one run of characters.
     */
    static final int MAX_CHARACTERS = 8 << 20;

    /** The most by which composing characters, or lower case, shortens UTF-8. */
    private static final int COMPOSED = 4;

    private static final Set<String> COMPOSING = Set.of("NFC", "NFD", "NFKC", "NFKD", "Lowercase");

    private static final Set<String> KEEPING =
            Set.of("Prepend", "ByteLevel", "Metaspace", "Digits", "UnicodeScripts", "FixedLength");

    /** Steps that keep all of a text, but for one way to split it. */
    private static final Set<String> SPLITTING = Set.of("Split", "Punctuation");

    private final long bytesOfToken;
    private final boolean hasStrips;

    private TextLimit(long bytesOfToken, boolean hasStrips) {
        this.bytesOfToken = bytesOfToken;
        this.hasStrips = hasStrips;
    }

    static TextLimit of(TokenizerJson tokenizer) {
        Steps steps = new Steps();
        PartCheck.steps(tokenizer.part("normalizer")).forEach(steps::add);
        PartCheck.steps(tokenizer.part("pre_tokenizer")).forEach(steps::add);
        Vocabulary vocabulary = tokenizer.vocabulary();
        boolean keepsAll = steps.keepsAll && hasBytes(vocabulary, steps.isByteLevel);
        boolean hasStrips =
                tokenizer.added().stream().anyMatch(e -> e.token().lstrip() || e.token().rstrip());
        long longest = 1;
        for (String piece : vocabulary.pieces()) {
            longest = Math.max(longest, bytes(piece, steps.isByteLevel));
        }
        for (AddedTokens.Entry entry : tokenizer.added()) {
            longest = Math.max(longest, utf8(entry.token().content()));
        }
        return new TextLimit(keepsAll ? longest * steps.shortening : Long.MAX_VALUE, hasStrips);
    }

    /** What the steps before the model do to the bytes of a text. */
    private static final class Steps {

        private boolean keepsAll = true;
        private boolean isByteLevel;
        private int shortening = 1;

        void add(JsonObject step) {
            String type = step.get("type").getAsString();
            isByteLevel |= type.equals("ByteLevel");
            if (COMPOSING.contains(type)) {
                shortening = COMPOSED;
            } else if (SPLITTING.contains(type)) {
                keepsAll &= !isText(step.get("behavior"), "Removed");
            } else if (type.equals("Replace")) {
                keepsAll &= isLonger(step);
            } else {
                keepsAll &= KEEPING.contains(type);
            }
        }

        private static boolean isText(JsonElement value, String text) {
            return AddedToken.isString(value) && value.getAsString().equals(text);
        }

        /** Whether a text is replaced by one of as many bytes at the least. */
        private static boolean isLonger(JsonObject step) {
            return step.get("pattern") instanceof JsonObject pattern
                    && AddedToken.isString(pattern.get("String"))
                    && AddedToken.isString(step.get("content"))
                    && utf8(step.get("content").getAsString())
                            >= utf8(pattern.get("String").getAsString());
        }
    }

    /** Whether there is a piece for each byte that UTF-8 has. */
    private static boolean hasBytes(Vocabulary vocabulary, boolean isByteLevel) {
        if (!isByteLevel && !vocabulary.flag("byte_fallback")) {
            return false;
        }
        for (int b = 0; b < 256; ++b) {
            boolean isInUtf8 = b != 0xC0 && b != 0xC1 && b < 0xF5;
            String piece = isByteLevel ? byteCharacter(b) : String.format("<0x%02X>", b);
            if (isInUtf8 && vocabulary.id(piece) == null) {
                return false;
            }
        }
        return true;
    }

    /** The character by which byte-level tokenizers write a byte. */
    private static String byteCharacter(int b) {
        if (isPrintable(b)) {
            return String.valueOf((char) b);
        }
        int before = 0;
        for (int other = 0; other < b; ++other) {
            before += isPrintable(other) ? 0 : 1;
        }
        return String.valueOf((char) (256 + before));
    }

    private static boolean isPrintable(int b) {
        return (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD);
    }

    private static long bytes(String piece, boolean isByteLevel) {
        return isByteLevel ? piece.length() : utf8(piece);
    }

    private static int utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    /**
     * Refuses a text that is too long for a model's context, or for the native library.
     *
     * @param text to be tokenized
     * @param maxTokens the most tokens that it may have
     * @throws IllegalArgumentException saying how long it is and what fits
     */
    void check(String text, long maxTokens) {
        if (text.length() > MAX_CHARACTERS) {
            throw new IllegalArgumentException(
                    "the text has "
                            + text.length()
                            + " characters; at most "
                            + MAX_CHARACTERS
                            + " are tokenized at once");
        }
        long least = leastTokens(text);
        if (least > maxTokens) {
            throw new IllegalArgumentException(
                    "the text has at least "
                            + least
                            + " tokens (no token is longer than "
                            + bytesOfToken
                            + " bytes), more than the "
                            + maxTokens
                            + " of the model's context");
        }
    }

    /** Tokens that a text has at the least. */
    long leastTokens(String text) {
        long bytes = 0;
        for (int i = 0; i < text.length(); ++i) {
            char c = text.charAt(i);
            boolean isTaken = hasStrips && (Character.isWhitespace(c) || Character.isSpaceChar(c));
            if (!isTaken) {
                // Half of a pair has two of the four bytes.
                boolean isTwo = c < 0x800 || Character.isSurrogate(c);
                bytes += c < 0x80 ? 1 : isTwo ? 2 : 3;
            }
        }
        return bytes / bytesOfToken + (bytes % bytesOfToken == 0 ? 0 : 1);
    }
}

package io.pbsattn.zoo.text;

/**
 * Strings whose surrogates stand in pairs. Others are no text, and on their way to native code they
 * would spoil the characters around them.
 */
final class WellFormed {

    private static final char REPLACEMENT = '\uFFFD';

    private WellFormed() {}

    static boolean isWellFormed(String text) {
        return unpaired(text, 0) < 0;
    }

    /** The text with a replacement character for each surrogate that stands alone. */
    static String repair(String text) {
        int at = unpaired(text, 0);
        if (at < 0) {
            return text;
        }
        StringBuilder repaired = new StringBuilder(text);
        for (; at >= 0; at = unpaired(text, at + 1)) {
            repaired.setCharAt(at, REPLACEMENT);
        }
        return repaired.toString();
    }

    /** The first surrogate from a position on that stands alone; -1 if there is none. */
    private static int unpaired(String text, int from) {
        for (int i = from; i < text.length(); ++i) {
            char c = text.charAt(i);
            if (Character.isSurrogate(c)) {
                boolean isPair =
                        Character.isHighSurrogate(c)
                                && i + 1 < text.length()
                                && Character.isLowSurrogate(text.charAt(i + 1));
                if (!isPair) {
                    return i;
                }
                ++i;
            }
        }
        return -1;
    }
}

package io.pbsattn.zoo.jinja;

import java.util.BitSet;
import java.util.Locale;
import java.util.Scanner;

/** Python's classes and cases of characters. */
final class Characters {

    /** Digits that are no decimal digits, such as superscripts: pairs of the first and last. */
    private static final BitSet OTHER_DIGITS =
            ranges(
                    "b2-b3 b9-b9 1369-1371 19da-19da 2070-2070 2074-2079 2080-2089 2460-2468"
                            + " 2474-247c 2488-2490 24ea-24ea 24f5-24fd 24ff-24ff 2776-277e"
                            + " 2780-2788 278a-2792 10a40-10a43 10e60-10e68 11052-1105a"
                            + " 1f100-1f10a");

    /** Ideographs that are numbers. */
    private static final BitSet NUMERIC_LETTERS =
            ranges(
                    "3405-3405 3483-3483 382a-382a 3b4d-3b4d 4e00-4e00 4e03-4e03 4e07-4e07"
                            + " 4e09-4e09 4e5d-4e5d 4e8c-4e8c 4e94-4e94 4e96-4e96 4ebf-4ec0"
                            + " 4edf-4edf 4ee8-4ee8 4f0d-4f0d 4f70-4f70 5104-5104 5146-5146"
                            + " 5169-5169 516b-516b 516d-516d 5341-5341 5343-5345 534c-534c"
                            + " 53c1-53c4 56db-56db 58f1-58f1 58f9-58f9 5e7a-5e7a 5efe-5eff"
                            + " 5f0c-5f0e 5f10-5f10 62fe-62fe 634c-634c 67d2-67d2 6f06-6f06"
                            + " 7396-7396 767e-767e 8086-8086 842c-842c 8cae-8cae 8cb3-8cb3"
                            + " 8d30-8d30 9621-9621 9646-9646 964c-964c 9678-9678 96f6-96f6"
                            + " f96b-f96b f973-f973 f978-f978 f9b2-f9b2 f9d1-f9d1 f9d3-f9d3"
                            + " f9fd-f9fd 20001-20001 20064-20064 200e2-200e2 20121-20121"
                            + " 2092a-2092a 20983-20983 2098c-2098c 2099c-2099c 20aea-20aea"
                            + " 20afd-20afd 20b19-20b19 22390-22390 22998-22998 23b1b-23b1b"
                            + " 2626d-2626d 2f890-2f890");

    private Characters() {}

    private static BitSet ranges(String text) {
        BitSet set = new BitSet();
        for (Scanner ranges = new Scanner(text).useDelimiter("[ -]"); ranges.hasNext(); ) {
            set.set(ranges.nextInt(16), ranges.nextInt(16) + 1);
        }
        return set;
    }

    /** Whether a code is a character's, and no half of a pair that stands for one. */
    static boolean isCharacter(long code) {
        boolean isValid = code >= 0 && code <= Character.MAX_CODE_POINT;
        return isValid && (code < Character.MIN_SURROGATE || code > Character.MAX_SURROGATE);
    }

    static boolean isSpace(int c) {
        return (c >= '\t' && c <= '\r')
                || (c >= 0x1c && c <= ' ')
                || c == 0x85
                || (c > 0x7f && Character.isSpaceChar(c));
    }

    /** Whether a line ends with the character, for {@code splitlines}. */
    static boolean isLineEnd(char c) {
        return (c >= '\n' && c <= '\r')
                || (c >= 0x1c && c <= 0x1e)
                || c == 0x85
                || c == 0x2028
                || c == 0x2029;
    }

    /** Where a text ends without white space at its end. */
    static int stripEnd(String text, int end) {
        int stripped = end;
        while (stripped > 0 && isSpace(text.charAt(stripped - 1))) {
            --stripped;
        }
        return stripped;
    }

    static boolean isDecimal(int c) {
        return Character.getType(c) == Character.DECIMAL_DIGIT_NUMBER;
    }

    static boolean isDigit(int c) {
        return isDecimal(c) || OTHER_DIGITS.get(c);
    }

    static boolean isNumeric(int c) {
        int type = Character.getType(c);
        return isDecimal(c)
                || type == Character.LETTER_NUMBER
                || type == Character.OTHER_NUMBER
                || NUMERIC_LETTERS.get(c);
    }

    static boolean isAlphanumeric(int c) {
        return Character.isLetter(c) || isNumeric(c);
    }

    static boolean isCased(int c) {
        return Character.isLowerCase(c) || Character.isUpperCase(c) || Character.isTitleCase(c);
    }

    static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR ->
                    false;
            case Character.SPACE_SEPARATOR -> c == ' ';
            default -> true;
        };
    }

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    /** The small form of a character in a text; a sigma at the end of a word has its own. */
    static String lower(String text, int index) {
        int c = text.codePointAt(index);
        int end = index + Character.charCount(c);
        boolean isFinal =
                c == 'Σ'
                        && index > 0
                        && isCased(text.codePointBefore(index))
                        && (end == text.length() || !isCased(text.codePointAt(end)));
        return isFinal ? "ς" : lower(Character.toString(c));
    }

    /** A character as the first one of a word: one letter large, the others small. */
    static String title(int c) {
        int title = Character.toTitleCase(c);
        String upper = upper(Character.toString(c));
        if (title != c || Text.length(upper) == 1) {
            return Character.toString(title);
        }
        int first = upper.offsetByCodePoints(0, 1);
        return upper.substring(0, first) + lower(upper.substring(first));
    }
}

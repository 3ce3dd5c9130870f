package io.pbsattn.zoo.jinja;

import java.math.BigInteger;

/** Reads numbers as Python's {@code int} and {@code float} do. */
final class NumberText {

    private NumberText() {}

    /**
     * Python's {@code int(text, base)}.
     *
     * @return the integer, or null if the text is none
     */
    static Object integer(String text, int base, Budget budget) {
        budget.steps(text.length());
        String number = plain(text);
        int sign = signLength(number);
        int marked = number.startsWith("0", sign) ? NumberLiteral.radix(number, sign) : 10;
        boolean isMarked = marked != 10 && (base == 0 || base == marked);
        int radix = isMarked ? marked : base == 0 ? 10 : base;
        int from =
                sign + (isMarked ? 2 : 0) + (isMarked && number.startsWith("_", sign + 2) ? 1 : 0);
        String digits = withoutUnderscores(number.substring(from), radix);
        if (digits == null || digits.length() > Numbers.MOST_DIGITS) {
            return null;
        }
        BigInteger value = new BigInteger(digits, radix);
        // Without a base a zero in front is only right in front of zeros.
        boolean isOctal = base == 0 && !isMarked && digits.startsWith("0") && value.signum() != 0;
        return isOctal ? null : Numbers.integer(number.startsWith("-") ? value.negate() : value);
    }

    private static int signLength(String number) {
        return number.startsWith("-") || number.startsWith("+") ? 1 : 0;
    }

    /** A number's text without white space around it, and with ASCII's digits. */
    private static String plain(String text) {
        int from = 0;
        int to = Characters.stripEnd(text, text.length());
        while (from < to && Characters.isSpace(text.charAt(from))) {
            ++from;
        }
        StringBuilder plain = new StringBuilder();
        text.substring(from, to)
                .codePoints()
                .forEach(
                        c ->
                                plain.appendCodePoint(
                                        c > 0x7f && Characters.isDecimal(c)
                                                ? '0' + Character.digit(c, 10)
                                                : c));
        return plain.toString();
    }

    /** Digits without the single underscores between them, or null if there is anything else. */
    private static String withoutUnderscores(String digits, int radix) {
        StringBuilder number = new StringBuilder();
        boolean afterDigit = false;
        for (int i = 0; i < digits.length(); ++i) {
            char c = digits.charAt(i);
            boolean isDigit = c < 0x80 && Character.digit(c, radix) >= 0;
            if (!isDigit && !(c == '_' && afterDigit)) {
                return null;
            }
            if (isDigit) {
                number.append(c);
            }
            afterDigit = isDigit;
        }
        return afterDigit ? number.toString() : null;
    }

    /**
     * Python's {@code float(text)}.
     *
     * @return the number, or null if the text is none
     */
    static Double real(String text, Budget budget) {
        budget.steps(text.length());
        String number = plain(text);
        int from = signLength(number);
        String word = Characters.lower(number.substring(from));
        if (word.equals("inf") || word.equals("infinity")) {
            return number.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
        } else if (word.equals("nan")) {
            return Double.NaN;
        }
        return isReal(number, from) ? Double.parseDouble(number.replace("_", "")) : null;
    }

    /** Digits with at most one point between or around them, and perhaps an exponent. */
    private static boolean isReal(String number, int from) {
        int mantissa = digitsEnd(number, from);
        int end = mantissa;
        boolean hasDigits = mantissa > from;
        if (number.startsWith(".", end)) {
            int fraction = digitsEnd(number, end + 1);
            hasDigits |= fraction > end + 1;
            end = fraction;
        }
        if (end < number.length() && "eE".indexOf(number.charAt(end)) >= 0) {
            int sign = end + 1;
            sign += sign < number.length() && "+-".indexOf(number.charAt(sign)) >= 0 ? 1 : 0;
            int exponent = digitsEnd(number, sign);
            hasDigits &= exponent > sign;
            end = exponent;
        }
        return hasDigits && end == number.length();
    }

    private static int digitsEnd(String number, int from) {
        int end = from;
        while (end < number.length()) {
            char c = number.charAt(end);
            boolean between =
                    c == '_'
                            && end > from
                            && number.charAt(end - 1) != '_'
                            && end + 1 < number.length()
                            && Character.digit(number.charAt(end + 1), 10) >= 0;
            if (!between && (c < '0' || c > '9')) {
                break;
            }
            ++end;
        }
        return end;
    }
}

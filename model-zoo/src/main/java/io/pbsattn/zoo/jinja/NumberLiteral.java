package io.pbsattn.zoo.jinja;

import java.math.BigInteger;
import java.util.function.IntPredicate;

/** Numbers as templates write them: {@code 1_000}, {@code 0x1f}, {@code 0b1}, {@code 1.5e-7}. */
final class NumberLiteral {

    private NumberLiteral() {}

    /** Where the float at an index ends, or -1 if there is none. */
    static int floatEnd(String source, int from) {
        int end = digits(source, from, NumberLiteral::isDigit);
        int fraction =
                source.startsWith(".", end) ? digits(source, end + 1, NumberLiteral::isDigit) : -1;
        boolean isFloat = fraction > end + 1;
        end = isFloat ? fraction : end;
        if (end < source.length() && "eE".indexOf(source.charAt(end)) >= 0) {
            int sign = end + 1;
            sign += sign < source.length() && "+-".indexOf(source.charAt(sign)) >= 0 ? 1 : 0;
            int exponent = digits(source, sign, NumberLiteral::isDigit);
            if (exponent > sign) {
                return exponent;
            }
        }
        return isFloat ? end : -1;
    }

    /** Where the integer at an index ends. */
    static int integerEnd(String source, int from) {
        if (source.charAt(from) != '0') {
            return digits(source, from, NumberLiteral::isDigit);
        }
        int radix = radix(source, from);
        if (radix != 10) {
            int first = from + 2 + (source.startsWith("_", from + 2) ? 1 : 0);
            int end = digits(source, first, c -> c < 128 && Character.digit(c, radix) >= 0);
            if (end > first) {
                return end;
            }
        }
        return digits(source, from, c -> c == '0');
    }

    /** The base that the second character of a literal names, or 10. */
    static int radix(String literal, int from) {
        char mark = from + 1 < literal.length() ? literal.charAt(from + 1) : ' ';
        return switch (Character.toLowerCase(mark)) {
            case 'b' -> 2;
            case 'o' -> 8;
            case 'x' -> 16;
            default -> 10;
        };
    }

    /** Where digits with single underscores between them end. */
    private static int digits(String source, int from, IntPredicate isDigit) {
        int end = from;
        while (end < source.length()) {
            boolean joins = end > from && source.charAt(end) == '_' && end + 1 < source.length();
            if (!isDigit.test(source.charAt(joins ? end + 1 : end))) {
                break;
            }
            end += joins ? 2 : 1;
        }
        return end;
    }

    private static boolean isDigit(int c) {
        return c >= '0' && c <= '9';
    }

    static Object integer(String literal) {
        int radix = radix(literal, 0);
        String digits = literal.replace("_", "").substring(radix == 10 ? 0 : 2);
        if (digits.length() > Numbers.MOST_DIGITS) {
            throw new JinjaException("an integer of more than " + Numbers.MOST_DIGITS + " digits");
        }
        return Numbers.integer(new BigInteger(digits, radix));
    }

    static double number(String literal) {
        return Double.parseDouble(literal.replace("_", ""));
    }
}

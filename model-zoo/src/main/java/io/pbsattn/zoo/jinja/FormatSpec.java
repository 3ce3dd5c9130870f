package io.pbsattn.zoo.jinja;

import java.math.BigInteger;

/** A format of Python's {@code format}, such as {@code >10}, {@code 05.1f} or {@code ,d}. */
final class FormatSpec {

    private static final String ALIGNMENTS = "<>=^";

    private final Budget budget;
    private final String spec;
    private int at;
    private String fill;
    private char alignment;
    private boolean zeroPadded;
    private char sign = '-';
    private boolean signed;
    private boolean positiveZero;
    private boolean alternate;
    private long width;
    private char grouping;
    private long precision = -1;
    private char type;

    private FormatSpec(String spec, Budget budget) {
        this.spec = spec;
        this.budget = budget;
        int second = spec.isEmpty() ? 0 : spec.offsetByCodePoints(0, 1);
        if (second < spec.length() && ALIGNMENTS.indexOf(spec.charAt(second)) >= 0) {
            fill = spec.substring(0, second);
            alignment = spec.charAt(second);
            at = second + 1;
        } else {
            alignment = takeOneOf(ALIGNMENTS);
        }
        char given = takeOneOf("+- ");
        signed = given != 0;
        sign = signed ? given : sign;
        positiveZero = takeOneOf("z") != 0;
        alternate = takeOneOf("#") != 0;
        zeros();
        fill = fill == null ? " " : fill;
        width = Math.max(0, number());
        grouping = takeOneOf(",_");
        if (takeOneOf(".") != 0) {
            precision = number();
            if (precision < 0) {
                throw error("a precision");
            }
        }
        type = at < spec.length() ? spec.charAt(at++) : 0;
        if (at < spec.length()) {
            throw error("its end");
        }
    }

    private void zeros() {
        if (takeOneOf("0") != 0) {
            zeroPadded = alignment == 0;
            fill = fill == null ? "0" : fill;
        }
    }

    private char takeOneOf(String characters) {
        boolean found = at < spec.length() && characters.indexOf(spec.charAt(at)) >= 0;
        return found ? spec.charAt(at++) : 0;
    }

    /** Takes digits, or gives -1. */
    private long number() {
        int from = at;
        while (at < spec.length() && spec.charAt(at) >= '0' && spec.charAt(at) <= '9') {
            ++at;
        }
        if (at - from > 9) {
            throw error("smaller numbers");
        }
        return at == from ? -1 : Long.parseLong(spec.substring(from, at));
    }

    private JinjaException error(String expected) {
        return new JinjaException("format '" + spec + "': expected " + expected);
    }

    /** Python's {@code format(value, spec)}. */
    static String format(Object value, String spec, Budget budget) {
        if (spec.isEmpty()) {
            return Text.str(value, budget);
        }
        if (!Text.is(value) && !Numbers.is(value)) {
            throw value instanceof Undefined undefined
                    ? undefined.error()
                    : new JinjaException(
                            "format '" + spec + "' does not fit " + Values.describe(value));
        }
        FormatSpec format = new FormatSpec(spec, budget);
        if (Text.is(value)) {
            return format.text(Text.of(value));
        }
        boolean isReal = value instanceof Double || "eEfFgG%".indexOf(format.type) >= 0;
        return isReal ? format.real(Numbers.real(value)) : format.integer(Numbers.big(value));
    }

    private String text(String text) {
        if ((type != 0 && type != 's')
                || signGiven()
                || alternate
                || grouping != 0
                || alignment == '=') {
            throw error("a format of strings");
        }
        String cut = text;
        if (precision >= 0 && precision < Text.length(text)) {
            cut = text.substring(0, text.offsetByCodePoints(0, (int) precision));
        }
        return pad("", cut, alignment == 0 ? '<' : alignment);
    }

    private boolean signGiven() {
        return positiveZero || signed;
    }

    private String pad(String prefix, String text, char where) {
        long missing = Math.max(0, width - prefix.length() - Text.length(text));
        long before = where == '>' ? missing : where == '^' ? missing / 2 : 0;
        TextBuilder out = new TextBuilder(budget);
        out.repeat(fill, before).append(prefix);
        out.repeat(fill, where == '=' ? missing : 0).append(text);
        return out.repeat(fill, where == '<' || where == '^' ? missing - before : 0).toString();
    }

    private String integer(BigInteger value) {
        if (precision >= 0 || positiveZero || (type != 0 && "bcdnoxX".indexOf(type) < 0)) {
            throw error("a format of integers");
        }
        if (type == 'c') {
            return character(value);
        }
        if (grouping == ',' && type != 0 && type != 'd') {
            throw error("no ','");
        }
        int radix = radix(type);
        String digits =
                radix == 10 ? Numbers.digits(value.abs(), budget) : value.abs().toString(radix);
        String prefix = sign(value.signum() < 0);
        if (alternate && radix != 10) {
            prefix += "0" + type;
        }
        digits = type == 'X' ? Characters.upper(digits) : digits;
        return number(prefix, digits, "", radix == 10 ? 3 : grouping == 0 ? 3 : 4);
    }

    private String character(BigInteger value) {
        if (value.bitLength() > 21
                || !Characters.isCharacter(value.intValue())
                || sign != '-'
                || grouping != 0) {
            throw error("the code of a character");
        }
        return pad(
                "",
                Character.toString(value.intValue()),
                alignment == 0 ? zeroPadded ? '>' : '<' : alignment);
    }

    /** The base of a form of integers. */
    static int radix(char form) {
        return switch (form) {
            case 'b' -> 2;
            case 'o' -> 8;
            case 'x', 'X' -> 16;
            default -> 10;
        };
    }

    private String sign(boolean negative) {
        return negative ? "-" : sign == '-' ? "" : String.valueOf(sign);
    }

    private String real(double value) {
        double shown = type == '%' ? value * 100 : value;
        double size = Math.abs(shown);
        String text;
        if (type == 0) {
            text =
                    precision < 0
                            ? FloatText.of(size, budget)
                            : Decimals.plain(size, digits(), alternate);
            text = alternate ? withPoint(text) : text;
        } else if ("eEfFgGn%".indexOf(type) >= 0) {
            char form = type == '%' ? 'f' : type == 'n' ? 'g' : type;
            text =
                    Decimals.format(
                            size,
                            form,
                            Decimals.digits(precision < 0 ? 6 : precision, budget),
                            alternate);
        } else {
            throw error("a format of numbers");
        }
        boolean negative = shown < 0 || (shown == 0 && 1 / shown < 0);
        boolean isZero = text.chars().allMatch(c -> c == '0' || c == '.');
        String prefix = sign(negative && !(positiveZero && isZero));
        int whole = 0;
        while (whole < text.length() && Character.isDigit(text.charAt(whole))) {
            ++whole;
        }
        String rest = text.substring(whole) + (type == '%' ? "%" : "");
        return number(prefix, text.substring(0, whole), rest, 3);
    }

    private static String withPoint(String text) {
        int end = text.indexOf('e');
        boolean lacksPoint = text.indexOf('.') < 0 && end >= 0;
        return lacksPoint ? text.substring(0, end) + "." + text.substring(end) : text;
    }

    private int digits() {
        return Decimals.digits(precision, budget);
    }

    /** A number with separators between groups of digits, which fill zeros too. */
    private String number(String prefix, String digits, String rest, int group) {
        char where = alignment != 0 ? alignment : zeroPadded ? '=' : '>';
        String text = digits;
        if (grouping != 0) {
            boolean zeros = where == '=' && fill.equals("0");
            text = grouped(digits, group, zeros ? width - prefix.length() - rest.length() : 0);
        }
        return pad(prefix, text + rest, where);
    }

    private String grouped(String digits, int group, long width) {
        budget.characters(width + digits.length() * 2L);
        StringBuilder reversed = new StringBuilder();
        int count = 0;
        for (int i = digits.length() - 1; i >= 0 || reversed.length() < width; --i) {
            if (count > 0 && count % group == 0) {
                reversed.append(grouping);
            }
            reversed.append(i >= 0 ? digits.charAt(i) : '0');
            ++count;
        }
        return reversed.reverse().toString();
    }
}

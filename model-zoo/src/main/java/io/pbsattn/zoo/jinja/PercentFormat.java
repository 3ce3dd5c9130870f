package io.pbsattn.zoo.jinja;

import java.math.BigInteger;
import java.util.List;

/** Python's {@code format % values}. */
final class PercentFormat {

    private final String format;
    private final Object values;
    private final List<?> list;
    private final boolean escapes;
    private final TextBuilder out;
    private int at;
    private int next;

    private PercentFormat(Object format, Object values, Budget budget) {
        this.format = Text.of(format);
        this.values = values;
        escapes = format instanceof Markup;
        list = values instanceof Tuple tuple ? tuple : Tuple.of(values);
        out = new TextBuilder(budget);
    }

    static String format(Object format, Object values, Budget budget) {
        return new PercentFormat(format, values, budget).run();
    }

    private String run() {
        while (at < format.length()) {
            int percent = format.indexOf('%', at);
            int end = percent < 0 ? format.length() : percent;
            out.append(format, at, end);
            at = end + 1;
            if (percent >= 0) {
                directive();
            }
        }
        if (next < list.size() && !mayBeLeft()) {
            throw new JinjaException("'%': more values than the format takes");
        }
        return out.toString();
    }

    /** Only a tuple or a plain value has to be taken. */
    private boolean mayBeLeft() {
        return values instanceof Dict
                || values instanceof Undefined
                || (values instanceof List && !(values instanceof Tuple));
    }

    private Object value() {
        if (next >= list.size()) {
            throw new JinjaException("'%': fewer values than the format takes");
        }
        return list.get(next++);
    }

    private char peek() {
        if (at >= format.length()) {
            throw new JinjaException("'%': the format ends too early");
        }
        return format.charAt(at);
    }

    private void directive() {
        Object named = peek() == '(' ? named() : Attributes.MISSING;
        int flagsFrom = at;
        while ("#0- +".indexOf(peek()) >= 0) {
            ++at;
        }
        String flags = format.substring(flagsFrom, at);
        long width = number();
        if (width < 0) {
            flags += "-";
        }
        long precision = -1;
        if (peek() == '.') {
            ++at;
            precision = Math.max(0, number());
        }
        while ("hlL".indexOf(peek()) >= 0) {
            ++at;
        }
        char form = peek();
        ++at;
        if (form == '%') {
            out.append("%");
            return;
        }
        Object value = named == Attributes.MISSING ? value() : named;
        convert(value, form, flags, Math.abs(width), precision);
    }

    private Object named() {
        if (!(values instanceof Dict dict)) {
            throw new JinjaException("'%': a format with names takes a dict");
        }
        int from = ++at;
        for (int depth = 1; depth > 0; ++at) {
            depth += peek() == '(' ? 1 : peek() == ')' ? -1 : 0;
        }
        String name = format.substring(from, at - 1);
        Object value = dict.getOr(name, Attributes.MISSING);
        if (value == Attributes.MISSING) {
            throw new JinjaException("'%': there is no '" + name + "'");
        }
        return value;
    }

    private long number() {
        if (peek() == '*') {
            ++at;
            return Numbers.index(value(), "'%': width");
        }
        int from = at;
        while (peek() >= '0' && peek() <= '9') {
            ++at;
        }
        if (at - from > 9) {
            throw new JinjaException("'%': a width or precision is too large");
        }
        return at == from ? 0 : Long.parseLong(format.substring(from, at));
    }

    private void convert(Object value, char form, String flags, long width, long precision) {
        String sign = "";
        String text;
        boolean isNumber = true;
        switch (form) {
            case 's', 'r', 'a', 'c' -> {
                text = form == 'c' ? character(value) : cut(text(value, form), precision);
                isNumber = false;
            }
            case 'd', 'i', 'u', 'o', 'x', 'X' -> {
                BigInteger integer = integer(value, form);
                sign = sign(integer.signum() < 0, flags);
                text = digits(integer.abs(), form, precision);
                if (flags.contains("#") && "oxX".indexOf(form) >= 0) {
                    sign += "0" + form;
                }
            }
            case 'e', 'E', 'f', 'F', 'g', 'G' -> {
                double number = real(value);
                sign = sign(number < 0 || (number == 0 && 1 / number < 0), flags);
                int digits = Decimals.digits(precision < 0 ? 6 : precision, out.budget());
                text = Decimals.format(Math.abs(number), form, digits, flags.contains("#"));
            }
            default -> throw new JinjaException("'%': unknown form '" + form + "'");
        }
        pad(sign, text, flags, width, isNumber);
    }

    private void pad(String sign, String text, String flags, long width, boolean isNumber) {
        long missing = Math.max(0, width - sign.length() - Text.length(text));
        boolean left = flags.contains("-");
        boolean zeros = isNumber && flags.contains("0") && !left;
        out.repeat(" ", left || zeros ? 0 : missing).append(sign);
        out.repeat("0", zeros ? missing : 0).append(text).repeat(" ", left ? missing : 0);
    }

    private String text(Object value, char form) {
        Budget budget = out.budget();
        String text = form == 's' ? Text.str(value, budget) : Repr.of(value, budget);
        if (form == 'a') {
            text = PythonJson.ascii(text, budget);
        }
        return escapes ? Markup.escape(form == 's' ? value : text, budget) : text;
    }

    private static String cut(String text, long precision) {
        boolean cuts = precision >= 0 && precision < Text.length(text);
        return cuts ? text.substring(0, text.offsetByCodePoints(0, (int) precision)) : text;
    }

    private static String character(Object value) {
        if (Text.is(value) && Text.length(Text.of(value)) == 1) {
            return Text.of(value);
        }
        long code = Numbers.index(value, "'%': a character's code");
        if (!Characters.isCharacter(code)) {
            throw new JinjaException("'%': expected a character or its code");
        }
        return Character.toString((int) code);
    }

    private static BigInteger integer(Object value, char form) {
        boolean truncates = "diu".indexOf(form) >= 0 && value instanceof Double;
        if (!truncates && !Numbers.isInteger(value)) {
            throw new JinjaException("'%': expected an integer, found " + Values.describe(value));
        }
        return Numbers.big(truncates ? Numbers.truncate((Double) value) : value);
    }

    private static double real(Object value) {
        if (!Numbers.is(value)) {
            throw new JinjaException("'%': expected a number, found " + Values.describe(value));
        }
        return Numbers.real(value);
    }

    private static String sign(boolean negative, String flags) {
        return negative ? "-" : flags.contains("+") ? "+" : flags.contains(" ") ? " " : "";
    }

    private String digits(BigInteger value, char form, long precision) {
        int radix = FormatSpec.radix(form);
        String digits = radix == 10 ? Numbers.digits(value, out.budget()) : value.toString(radix);
        String zeros =
                "0"
                        .repeat(
                                Math.max(
                                        0,
                                        Decimals.digits(Math.max(0, precision), out.budget())
                                                - digits.length()));
        return form == 'X' ? Characters.upper(zeros + digits) : zeros + digits;
    }
}

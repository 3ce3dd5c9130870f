package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;

/** The filters of numbers. */
final class NumberFilters {

    private static final List<String> SIZES = List.of("k", "M", "G", "T", "P", "E", "Z", "Y");

    private NumberFilters() {}

    static void register(Map<String, Filters.Filter> filters) {
        filters.put("abs", NumberFilters::absolute);
        filters.put("int", NumberFilters::integer);
        filters.put("float", NumberFilters::real);
        filters.put("round", NumberFilters::round);
        filters.put("filesizeformat", NumberFilters::fileSize);
    }

    private static Object absolute(Object value, Arguments arguments) {
        boolean isNegative =
                Numbers.is(value)
                        && (value instanceof Double d
                                ? d < 0 || 1 / d < 0
                                : Numbers.big(value).signum() < 0);
        return Operators.sign(isNegative ? "-" : "+", value, arguments.budget());
    }

    private static Object integer(Object value, Arguments arguments) {
        Object missing = arguments.take("default", 0L);
        Object base = arguments.take("base", 10L);
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        } else if (Numbers.isInteger(value)) {
            return Numbers.integer(Numbers.big(value));
        }
        Object parsed = Text.is(value) ? parse(Text.of(value), base, arguments) : null;
        if (parsed != null) {
            return parsed;
        }
        Double number =
                value instanceof Double d
                        ? d
                        : Text.is(value)
                                ? NumberText.real(Text.of(value), arguments.budget())
                                : null;
        if (number == null || !Double.isFinite(number)) {
            if (value instanceof Double && number.isInfinite()) {
                throw new JinjaException("int: infinity is no integer");
            }
            return missing;
        }
        return Numbers.truncate(number);
    }

    private static Object parse(String text, Object base, Arguments arguments) {
        long radix = Numbers.isInteger(base) ? Numbers.index(base, "int: base") : -1;
        boolean isBase = radix == 0 || (radix >= 2 && radix <= 36);
        return isBase ? NumberText.integer(text, (int) radix, arguments.budget()) : null;
    }

    private static Object real(Object value, Arguments arguments) {
        Object missing = arguments.take("default", 0.0);
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        } else if (Numbers.is(value)) {
            return Numbers.real(value);
        }
        Double number = Text.is(value) ? NumberText.real(Text.of(value), arguments.budget()) : null;
        return number == null ? missing : number;
    }

    private static Object round(Object value, Arguments arguments) {
        long precision = arguments.integer("precision", 0);
        String method = arguments.text("method", "common");
        if (!List.of("common", "ceil", "floor").contains(method)) {
            throw arguments.error("method", "expected 'common', 'ceil' or 'floor'");
        } else if (!Numbers.is(value)) {
            throw value instanceof Undefined undefined
                    ? undefined.error()
                    : new JinjaException(
                            "round: expected a number, found " + Values.describe(value));
        } else if (method.equals("common")) {
            return Numbers.round(value, precision, arguments.budget());
        }
        Budget budget = arguments.budget();
        Object scale = Operators.find("**").apply(10L, precision, budget);
        Object scaled = Operators.find("*").apply(value, scale, budget);
        return Operators.find("/").apply(whole(scaled, method.equals("ceil")), scale, budget);
    }

    /** The next integer above or below. */
    private static Object whole(Object number, boolean above) {
        if (!(number instanceof Double d)) {
            return number;
        }
        return Numbers.truncate(above ? Math.ceil(d) : Math.floor(d));
    }

    private static Object fileSize(Object value, Arguments arguments) {
        boolean binary = arguments.flag("binary", false);
        Double bytes =
                Numbers.is(value)
                        ? (Double) Numbers.real(value)
                        : Text.is(value)
                                ? NumberText.real(Text.of(value), arguments.budget())
                                : null;
        if (bytes == null || bytes.isNaN()) {
            throw new JinjaException("filesizeformat: expected a number");
        }
        int base = binary ? 1024 : 1000;
        if (bytes == 1) {
            return "1 Byte";
        } else if (bytes < base) {
            return Text.str(Numbers.truncate(bytes), arguments.budget()) + " Bytes";
        }
        double unit = base;
        int size = 0;
        while (size < SIZES.size() - 1 && bytes >= unit * base) {
            unit *= base;
            ++size;
        }
        double shown = base * bytes / (unit * base);
        String digits =
                Double.isInfinite(shown)
                        ? "inf"
                        : new BigDecimal(shown).setScale(1, RoundingMode.HALF_EVEN).toPlainString();
        String prefix = binary ? Characters.upper(SIZES.get(size)) + "i" : SIZES.get(size);
        return digits + " " + prefix + "B";
    }
}

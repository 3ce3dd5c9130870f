package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What Python's operators do with a template's values: {@code String} (str), {@code Long} (int),
 * {@code Double} (float), {@code Boolean}, {@code List}, {@link Tuple}, {@code Map} (dict), {@code
 * null} (None), {@link Undefined}, {@link Namespace}, {@link Callable} and {@link Loop}.
 */
final class Python {

    private Python() {}

    /** Makes values of JSON-like maps, lists, strings, numbers, booleans and nulls. */
    static Object value(Object java) {
        if (java == null || java instanceof Boolean || java instanceof Callable) {
            return java;
        } else if (java instanceof CharSequence || java instanceof Character) {
            return java.toString();
        } else if (java instanceof Double || java instanceof Float || java instanceof BigDecimal) {
            return ((Number) java).doubleValue();
        } else if (java instanceof Number number) {
            return number.longValue();
        } else if (java instanceof Map) {
            Map<Object, Object> map = new LinkedHashMap<>();
            ((Map<?, ?>) java).forEach((k, v) -> map.put(value(k), value(v)));
            return map;
        } else if (java instanceof Iterable) {
            List<Object> list = new ArrayList<>();
            ((Iterable<?>) java).forEach(item -> list.add(value(item)));
            return list;
        }
        throw new IllegalArgumentException(
                "a template takes strings, numbers, booleans, lists and maps, not "
                        + java.getClass().getName());
    }

    static String typeName(Object value) {
        if (value == null) {
            return "None";
        } else if (value instanceof String) {
            return "a string";
        } else if (value instanceof Boolean) {
            return "a boolean";
        } else if (value instanceof Long) {
            return "an integer";
        } else if (value instanceof Double) {
            return "a number";
        } else if (value instanceof List) {
            return "a list";
        } else if (value instanceof Map) {
            return "a mapping";
        } else if (value instanceof Undefined undefined) {
            return "an undefined value (" + undefined.what() + ")";
        }
        return value instanceof Callable ? "a function" : "an object";
    }

    static boolean isTrue(Object value) {
        if (value == null || value instanceof Undefined) {
            return false;
        } else if (value instanceof Boolean b) {
            return b;
        } else if (value instanceof Number number) {
            return number.doubleValue() != 0;
        } else if (value instanceof String text) {
            return !text.isEmpty();
        } else if (value instanceof List) {
            return !((List<?>) value).isEmpty();
        }
        return !(value instanceof Map) || !((Map<?, ?>) value).isEmpty();
    }

    static boolean isNumber(Object value) {
        return value instanceof Number || value instanceof Boolean;
    }

    private static Number number(Object value) {
        return value instanceof Boolean b ? b ? 1L : 0L : (Number) value;
    }

    /** An integer that an index or an argument needs. */
    static long integer(Object value, String what) {
        if (value instanceof Long || value instanceof Boolean) {
            return number(value).longValue();
        }
        throw new JinjaException(what + ": expected an integer, found " + typeName(value));
    }

    static boolean equal(Object a, Object b) {
        if (isNumber(a) && isNumber(b)) {
            return compareNumbers(a, b) == 0;
        }
        if (a instanceof List && b instanceof List) {
            Iterator<?> others = ((List<?>) b).iterator();
            if (((List<?>) a).size() != ((List<?>) b).size()
                    || a instanceof Tuple != b instanceof Tuple) {
                return false;
            }
            for (Object item : (List<?>) a) {
                if (!equal(item, others.next())) {
                    return false;
                }
            }
            return true;
        }
        if (a instanceof Map && b instanceof Map) {
            Map<?, ?> other = (Map<?, ?>) b;
            return ((Map<?, ?>) a).size() == other.size()
                    && ((Map<?, ?>) a)
                            .entrySet().stream()
                                    .allMatch(
                                            e ->
                                                    other.containsKey(e.getKey())
                                                            && equal(
                                                                    e.getValue(),
                                                                    other.get(e.getKey())));
        }
        return (a instanceof Undefined && b instanceof Undefined) || Objects.equals(a, b);
    }

    private static int compareNumbers(Object a, Object b) {
        Number x = number(a);
        Number y = number(b);
        return x instanceof Long && y instanceof Long
                ? Long.compare(x.longValue(), y.longValue())
                : x.doubleValue() == y.doubleValue()
                        ? 0
                        : Double.compare(x.doubleValue(), y.doubleValue());
    }

    static int compare(Object a, Object b) {
        if (isNumber(a) && isNumber(b)) {
            return compareNumbers(a, b);
        }
        if (a instanceof String x && b instanceof String y) {
            return x.compareTo(y);
        }
        if (a instanceof List && b instanceof List) {
            List<?> x = (List<?>) a;
            List<?> y = (List<?>) b;
            for (int i = 0; i < Math.min(x.size(), y.size()); ++i) {
                if (!equal(x.get(i), y.get(i))) {
                    return compare(x.get(i), y.get(i));
                }
            }
            return Integer.compare(x.size(), y.size());
        }
        throw wrongOperands("compare", a, b);
    }

    /** A comparison by its operator. */
    static boolean compare(String operator, Object a, Object b) {
        return switch (operator) {
            case "==" -> equal(a, b);
            case "!=" -> !equal(a, b);
            case "in" -> contains(b, a);
            case "not in" -> !contains(b, a);
            case "<" -> compare(a, b) < 0;
            case "<=" -> compare(a, b) <= 0;
            case ">" -> compare(a, b) > 0;
            default -> compare(a, b) >= 0;
        };
    }

    static JinjaException wrongOperands(String operator, Object a, Object b) {
        if (a instanceof Undefined undefined) {
            return undefined.error();
        }
        if (b instanceof Undefined undefined) {
            return undefined.error();
        }
        return new JinjaException(
                "cannot apply '" + operator + "' to " + typeName(a) + " and " + typeName(b));
    }

    static Object arithmetic(String operator, Object a, Object b) {
        if (operator.equals("+")) {
            if (a instanceof String x && b instanceof String y) {
                return x + y;
            }
            if (a instanceof List && b instanceof List) {
                List<Object> both = new ArrayList<>((List<?>) a);
                both.addAll((List<?>) b);
                return a instanceof Tuple ? new Tuple(both) : both;
            }
        }
        if (operator.equals("*")) {
            if (a instanceof String text && b instanceof Long times) {
                return text.repeat((int) Math.max(0, times));
            }
            if (a instanceof Long times && b instanceof String text) {
                return text.repeat((int) Math.max(0, times));
            }
        }
        if (!isNumber(a) || !isNumber(b)) {
            throw wrongOperands(operator, a, b);
        }
        Number x = number(a);
        Number y = number(b);
        try {
            return x instanceof Long && y instanceof Long && !operator.equals("/")
                    ? integers(operator, x.longValue(), y.longValue())
                    : floats(operator, x.doubleValue(), y.doubleValue());
        } catch (ArithmeticException e) {
            throw new JinjaException("'" + operator + "': " + e.getMessage());
        }
    }

    private static Object integers(String operator, long x, long y) {
        switch (operator) {
            case "+" -> {
                return Math.addExact(x, y);
            }
            case "-" -> {
                return Math.subtractExact(x, y);
            }
            case "*" -> {
                return Math.multiplyExact(x, y);
            }
            case "//" -> {
                return Math.floorDiv(x, y);
            }
            case "%" -> {
                return Math.floorMod(x, y);
            }
            default -> {
                double power = Math.pow((double) x, (double) y);
                if (y < 0) {
                    return power;
                }
                if (Math.abs(power) > 1L << 53) {
                    throw new ArithmeticException("the result is too large");
                }
                return (long) power;
            }
        }
    }

    private static Object floats(String operator, double x, double y) {
        if (y == 0 && "//%".contains(operator)) {
            throw new ArithmeticException("division by zero");
        }
        return switch (operator) {
            case "+" -> x + y;
            case "-" -> x - y;
            case "*" -> x * y;
            case "/" -> x / y;
            case "//" -> Math.floor(x / y);
            case "%" -> x - y * Math.floor(x / y);
            default -> Math.pow(x, y);
        };
    }

    static Object negative(Object value) {
        return value instanceof Double d ? (Object) (-d) : arithmetic("-", 0L, value);
    }

    static boolean contains(Object container, Object item) {
        if (container instanceof String) {
            if (!(item instanceof String)) {
                throw wrongOperands("in", item, container);
            }
            return container.toString().contains(item.toString());
        }
        if (container instanceof Map) {
            return ((Map<?, ?>) container).containsKey(item);
        }
        if (container instanceof Undefined) {
            return false;
        }
        if (container instanceof List) {
            return ((List<?>) container).stream().anyMatch(other -> equal(item, other));
        }
        throw wrongOperands("in", item, container);
    }

    /** What a loop or a filter runs over: items, keys, or characters. */
    static List<Object> items(Object value) {
        if (value instanceof List) {
            return new ArrayList<>((List<?>) value);
        }
        if (value instanceof Map) {
            return new ArrayList<>(((Map<?, ?>) value).keySet());
        }
        if (value instanceof String text) {

            List<Object> characters = new ArrayList<>();
            for (int i = 0; i < text.length(); ) {
                int next = text.offsetByCodePoints(i, 1);
                characters.add(text.substring(i, next));
                i = next;
            }
            return characters;
        }
        if (value instanceof Undefined) {
            return new ArrayList<>();
        }
        throw new JinjaException("cannot run over " + typeName(value));
    }

    static long length(Object value) {
        if (value instanceof String text) {
            return text.codePointCount(0, text.length());
        }
        if (value == null || isNumber(value) || value instanceof Callable) {
            throw new JinjaException(typeName(value) + " has no length");
        }
        return items(value).size();
    }

    /** {@code value.name}: a method or attribute first, then a key. */
    static Object attribute(Object value, String name) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        Object found = null;
        if (value instanceof String text) {
            found = StringMethods.find(text, name);
        } else if (value instanceof Map) {
            found = dictMethod((Map<?, ?>) value, name);
        } else if (value instanceof Namespace namespace) {
            return namespace.get(name);
        } else if (value instanceof Loop loop) {
            return loop.attribute(name);
        }
        if (found != null) {
            return found;
        }
        if (value instanceof Map && ((Map<?, ?>) value).containsKey(name)) {
            return ((Map<?, ?>) value).get(name);
        }
        return new Undefined(typeName(value) + " has no attribute '" + name + "'");
    }

    private static Callable dictMethod(Map<?, ?> map, String name) {
        return switch (name) {
            case "items", "keys", "values", "get" ->
                    (positional, named) -> {
                        Arguments arguments = new Arguments("dict." + name, positional, named);
                        Object result = dictMethod(map, name, arguments);
                        arguments.end();
                        return result;
                    };
            default -> null;
        };
    }

    private static Object dictMethod(Map<?, ?> map, String name, Arguments arguments) {
        return switch (name) {
            case "items" -> entries(map);
            case "keys" -> items(map);
            case "values" -> new ArrayList<Object>(map.values());
            default -> {
                Object key = arguments.take("key");
                Object missing = arguments.take("default", null);
                yield map.containsKey(key) ? map.get(key) : missing;
            }
        };
    }

    /** A dict's entries as pairs. */
    static List<Object> entries(Map<?, ?> map) {
        List<Object> pairs = new ArrayList<>();
        map.forEach((key, value) -> pairs.add(new Tuple(Arrays.asList(key, value))));
        return pairs;
    }

    /** {@code value[key]}. */
    static Object item(Object value, Object key) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (value instanceof Map && ((Map<?, ?>) value).containsKey(key)) {
            return ((Map<?, ?>) value).get(key);
        }
        if ((value instanceof List || value instanceof String) && key instanceof Long position) {
            List<Object> items = items(value);
            long index = position;
            index += index < 0 ? items.size() : 0;
            return index >= 0 && index < items.size()
                    ? items.get((int) index)
                    : new Undefined(typeName(value) + " has no item " + key);
        }
        return key instanceof String
                ? attribute(value, key.toString())
                : new Undefined(typeName(value) + " has no such item");
    }

    /** {@code value[from:to:step]}; each of the three may be None. */
    static Object slice(Object value, Object from, Object to, Object stepOrNone) {
        if (!(value instanceof String) && !(value instanceof List)) {
            throw value instanceof Undefined undefined
                    ? undefined.error()
                    : new JinjaException("cannot take a slice of " + typeName(value));
        }
        int size = (int) length(value);
        long step = stepOrNone == null ? 1 : integer(stepOrNone, "slice");
        if (step == 0) {
            throw new JinjaException("the step of a slice is zero");
        }
        long low = step > 0 ? 0 : -1;
        long high = step > 0 ? size : size - 1;
        long start = bound(from, step > 0 ? low : high, size, low, high);
        long end = bound(to, step > 0 ? high : low, size, low, high);
        if (value instanceof String text && step == 1) {
            String string = value.toString();
            int first = string.offsetByCodePoints(0, (int) start);
            return text.substring(
                    first, string.offsetByCodePoints(first, (int) Math.max(0, end - start)));
        }
        List<Object> items = items(value);
        List<Object> result = new ArrayList<>();
        for (long i = start; step > 0 ? i < end : i > end; i += step) {
            result.add(items.get((int) i));
        }
        if (value instanceof String) {
            return String.join("", result.toArray(String[]::new));
        }
        return value instanceof Tuple ? new Tuple(result) : result;
    }

    private static long bound(Object given, long missing, int size, long low, long high) {
        if (given == null) {
            return missing;
        }
        long index = integer(given, "slice");
        return Math.max(low, Math.min(high, index < 0 ? index + size : index));
    }

    /** {@code str(value)}; nothing for what is undefined. */
    static String text(Object value) {
        if (value instanceof String text) {
            return text;
        }
        return value instanceof Undefined ? "" : represent(value);
    }

    /** {@code repr(value)}. */
    static String represent(Object value) {
        StringBuilder out = new StringBuilder();
        represent(out, value);
        return out.toString();
    }

    private static void represent(StringBuilder out, Object value) {
        if (value == null) {
            out.append("None");
        } else if (value instanceof Boolean b) {
            out.append(b ? "True" : "False");
        } else if (value instanceof Double d) {
            out.append(floatText(d));
        } else if (value instanceof Long) {
            out.append(value.toString());
        } else if (value instanceof String text) {
            representText(out, text);
        } else if (value instanceof List) {
            List<?> list = (List<?>) value;
            boolean round = value instanceof Tuple;
            out.append(round ? "(" : "[");
            for (int i = 0; i < list.size(); ++i) {
                out.append(i == 0 ? "" : ", ");
                represent(out, list.get(i));
            }
            out.append(round ? list.size() == 1 ? ",)" : ")" : "]");
        } else if (value instanceof Map) {
            String separator = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                out.append(separator);
                represent(out, entry.getKey());
                out.append(": ");
                represent(out, entry.getValue());
                separator = ", ";
            }
            out.append(((Map<?, ?>) value).isEmpty() ? "{}" : "}");
        } else if (value instanceof Undefined) {
            out.append("Undefined");
        } else {
            throw new JinjaException("cannot write " + typeName(value) + " as text");
        }
    }

    private static void representText(StringBuilder out, String text) {
        String string = text;
        char quote = string.indexOf('\'') >= 0 && string.indexOf('"') < 0 ? '"' : '\'';
        out.append(String.valueOf(quote));
        for (int i = 0; i < text.length(); ++i) {
            char c = string.charAt(i);
            int plain = "\n\r\t".indexOf(c);
            if (plain >= 0) {
                out.append("\\").append("nrt".substring(plain, plain + 1));
            } else if (c == quote || c == '\\') {
                out.append("\\").append(text.substring(i, i + 1));
            } else if (c < ' ' || (c >= 0x7f && c < 0xa1) || c == 0xad) {
                out.append(String.format("\\x%02x", (int) c));
            } else {
                out.append(text.substring(i, i + 1));
            }
        }
        out.append(String.valueOf(quote));
    }

    /** The shortest text of a number, in Python's form. */
    static String floatText(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return Double.doubleToRawLongBits(value) < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        int exponent = decimal.precision() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            String plain = decimal.toPlainString();
            return plain.indexOf('.') >= 0 ? plain : plain + ".0";
        }
        String digits = decimal.unscaledValue().abs().toString();
        return (value < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + (exponent < 0 ? "e-" : "e+")
                + (Math.abs(exponent) < 10 ? "0" : "")
                + Math.abs(exponent);
    }

    /** What Python's {@code str.isspace} holds for. */
    static boolean isSpace(char c) {
        return (c >= '\t' && c <= '\r')
                || (c >= 0x1c && c <= ' ')
                || c == 0x85
                || (c > 0x7f && Character.isSpaceChar(c));
    }

    /** Where a text ends without white space at its end. */
    static int stripEnd(String text, int end) {
        int stripped = end;
        while (stripped > 0 && isSpace(text.charAt(stripped - 1))) {
            --stripped;
        }
        return stripped;
    }
}

package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/** The filters that templates use; a filter that is not here is refused by name. */
final class Filters {

    private static final Map<String, BiFunction<Object, Arguments, Object>> FILTERS =
            Map.ofEntries(
                    Map.entry("tojson", PythonJson::filter),
                    Map.entry("trim", (v, a) -> TextMethods.strip(Python.text(v), a, true, true)),
                    Map.entry("upper", (v, a) -> TextMethods.upper(Python.text(v))),
                    Map.entry("lower", (v, a) -> TextMethods.lower(Python.text(v))),
                    Map.entry("capitalize", (v, a) -> TextMethods.capitalize(Python.text(v))),
                    Map.entry("title", (v, a) -> method(Python.text(v), "title")),
                    Map.entry("replace", Filters::replace),
                    Map.entry("indent", Filters::indent),
                    Map.entry("format", Filters::format),
                    Map.entry("string", (v, a) -> Python.text(v)),
                    Map.entry("safe", (v, a) -> Python.text(v)),
                    Map.entry("escape", (v, a) -> escape(Python.text(v))),
                    Map.entry("e", (v, a) -> escape(Python.text(v))),
                    Map.entry("int", Filters::integer),
                    Map.entry("float", Filters::decimal),
                    Map.entry("abs", (v, a) -> absolute(v)),
                    Map.entry("round", Filters::round),
                    Map.entry("length", (v, a) -> Python.length(v)),
                    Map.entry("count", (v, a) -> Python.length(v)),
                    Map.entry("default", Filters::orDefault),
                    Map.entry("d", Filters::orDefault),
                    Map.entry("list", (v, a) -> Python.items(v)),
                    Map.entry("first", (v, a) -> first(Python.items(v))),
                    Map.entry("last", (v, a) -> first(reversed(Python.items(v)))),
                    Map.entry("reverse", Filters::reverse),
                    Map.entry("join", Filters::join),
                    Map.entry("items", Filters::items),
                    Map.entry("dictsort", (v, a) -> dictSort(v)),
                    Map.entry("sort", Filters::sort),
                    Map.entry("unique", (v, a) -> unique(Python.items(v))),
                    Map.entry("sum", Filters::sum),
                    Map.entry("min", (v, a) -> extreme(Python.items(v), 1)),
                    Map.entry("max", (v, a) -> extreme(Python.items(v), -1)),
                    Map.entry("map", Filters::map),
                    Map.entry("select", (v, a) -> select(v, a, true)),
                    Map.entry("reject", (v, a) -> select(v, a, false)),
                    Map.entry("selectattr", (v, a) -> selectAttribute(v, a, true)),
                    Map.entry("rejectattr", (v, a) -> selectAttribute(v, a, false)),
                    Map.entry("attr", (v, a) -> Python.attribute(v, a.text("name").toString())));

    private Filters() {}

    static BiFunction<Object, Arguments, Object> find(String name) {
        BiFunction<Object, Arguments, Object> filter = FILTERS.get(name);
        if (filter == null) {
            throw new JinjaException("unknown filter '" + name + "'");
        }
        return filter;
    }

    private static Object method(Text text, String name) {
        return TextMethods.find(text, name).call(List.of(), Map.of());
    }

    private static Text replace(Object value, Arguments arguments) {
        Text old = arguments.text("old");
        Text replacement = arguments.text("new");
        return TextMethods.replace(
                Python.text(value), old.toString(), replacement, arguments.integer("count", -1));
    }

    private static Text indent(Object value, Arguments arguments) {
        Object width = arguments.take("width", 4L);
        boolean first = arguments.flag("first", false);
        boolean blank = arguments.flag("blank", false);
        String margin =
                width instanceof Text
                        ? width.toString()
                        : " ".repeat((int) Python.integer(width, "indent: width"));
        Text.Builder result = new Text.Builder();
        Text text = Python.text(value);
        int from = 0;
        while (from <= text.length()) {
            int end = text.toString().indexOf('\n', from);
            end = end < 0 ? text.length() : end;
            if (from == 0 ? first : blank || end > from) {
                result.append(margin);
            }
            result.append(text.substring(from, Math.min(text.length(), end + 1)));
            from = end + 1;
        }
        return result.build();
    }

    private static Text format(Object value, Arguments arguments) {
        List<Object> values = new ArrayList<>();
        while (arguments.hasNext()) {
            values.add(arguments.take("value"));
        }
        return TextMethods.format(Python.text(value), values);
    }

    private static Text escape(Text text) {
        Text.Builder result = new Text.Builder();
        for (int i = 0; i < text.length(); ++i) {
            int index = "&<>'\"".indexOf(text.toString().charAt(i));
            if (index < 0) {
                result.append(text.substring(i, i + 1));
            } else {
                result.append(List.of("&amp;", "&lt;", "&gt;", "&#39;", "&#34;").get(index));
            }
        }
        return result.build();
    }

    private static Object integer(Object value, Arguments arguments) {
        Object missing = arguments.take("default", 0L);
        if (Python.isNumber(value)) {
            return value instanceof Double d
                    ? (Object) d.longValue()
                    : Python.integer(value, "int");
        }
        try {
            BigDecimal number = new BigDecimal(Python.text(value).toString().strip());
            return number.setScale(0, RoundingMode.DOWN).longValueExact();
        } catch (ArithmeticException | NumberFormatException e) {
            return missing;
        }
    }

    private static Object decimal(Object value, Arguments arguments) {
        Object missing = arguments.take("default", 0.0);
        try {
            return Double.valueOf(Python.text(value).toString().strip());
        } catch (NumberFormatException e) {
            return missing;
        }
    }

    private static Object absolute(Object value) {
        return Python.compare(value, 0L) < 0 ? Python.negative(value) : value;
    }

    private static Object round(Object value, Arguments arguments) {
        long digits = arguments.integer("precision", 0);
        if (!Python.isNumber(value)) {
            throw Python.wrongOperands("round", value, digits);
        }
        BigDecimal exact = new BigDecimal(Python.text(value).toString());
        return exact.setScale((int) digits, RoundingMode.HALF_EVEN).doubleValue();
    }

    private static Object orDefault(Object value, Arguments arguments) {
        Object other = arguments.take("default_value", Text.of(""));
        boolean whenFalse = arguments.flag("boolean", false);
        boolean missing = value instanceof Undefined || (whenFalse && !Python.isTrue(value));
        return missing ? other : value;
    }

    private static Object first(List<Object> items) {
        return items.isEmpty() ? new Undefined("the list is empty") : items.get(0);
    }

    private static List<Object> reversed(List<Object> items) {
        Collections.reverse(items);
        return items;
    }

    private static Object reverse(Object value, Arguments arguments) {
        return value instanceof Text
                ? Python.slice(value, null, null, -1L)
                : reversed(Python.items(value));
    }

    private static Text join(Object value, Arguments arguments) {
        Text separator = Python.text(arguments.take("d", Text.of("")));
        Object attribute = arguments.take("attribute", null);
        Text.Builder result = new Text.Builder();
        boolean first = true;
        for (Object item : Python.items(value)) {
            if (!first) {
                result.append(separator);
            }
            first = false;
            result.append(Python.text(attribute == null ? item : attribute(item, attribute)));
        }
        return result.build();
    }

    /** The attribute of a filter's argument: a name, names with dots, or an index. */
    private static Object attribute(Object item, Object attribute) {
        if (!(attribute instanceof Text)) {
            return Python.item(item, attribute);
        }
        Object value = item;
        for (String part : attribute.toString().split("\\.", -1)) {
            value =
                    part.matches("\\d+")
                            ? Python.item(value, Long.valueOf(part))
                            : Python.item(value, Text.of(part));
        }
        return value;
    }

    private static Object items(Object value, Arguments arguments) {
        if (value instanceof Undefined) {
            return new ArrayList<>();
        }
        return MapMethods.items(mapping("items", value));
    }

    private static Map<?, ?> mapping(String filter, Object value) {
        if (value instanceof Map) {
            return (Map<?, ?>) value;
        }
        throw new JinjaException(filter + ": expected a mapping, found " + Python.typeName(value));
    }

    private static Object dictSort(Object value) {
        List<Object> pairs = MapMethods.items(mapping("dictsort", value));
        pairs.sort((a, b) -> ignoringCase(((Tuple) a).get(0), ((Tuple) b).get(0)));
        return pairs;
    }

    private static int ignoringCase(Object a, Object b) {
        return Python.compare(
                a instanceof Text text ? TextMethods.lower(text) : a,
                b instanceof Text text ? TextMethods.lower(text) : b);
    }

    private static Object sort(Object value, Arguments arguments) {
        boolean reverse = arguments.flag("reverse", false);
        boolean exactCase = arguments.flag("case_sensitive", false);
        Object attribute = arguments.take("attribute", null);
        Comparator<Object> order = exactCase ? Python::compare : Filters::ignoringCase;
        List<Object> items = Python.items(value);
        Comparator<Object> byKey =
                attribute == null
                        ? order
                        : (a, b) -> order.compare(attribute(a, attribute), attribute(b, attribute));
        items.sort(reverse ? byKey.reversed() : byKey);
        return items;
    }

    private static Object unique(List<Object> items) {
        List<Object> result = new ArrayList<>();
        for (Object item : items) {
            if (result.stream().noneMatch(seen -> sameIgnoringCase(seen, item))) {
                result.add(item);
            }
        }
        return result;
    }

    private static boolean sameIgnoringCase(Object a, Object b) {
        if (a instanceof Text x && b instanceof Text y) {
            return TextMethods.lower(x).equals(TextMethods.lower(y));
        }
        return Python.equal(a, b);
    }

    private static Object sum(Object value, Arguments arguments) {
        Object attribute = arguments.take("attribute", null);
        Object result = arguments.take("start", 0L);
        for (Object item : Python.items(value)) {
            Object part = attribute == null ? item : attribute(item, attribute);
            result = Python.arithmetic("+", result, part);
        }
        return result;
    }

    private static Object extreme(List<Object> items, int sign) {
        return items.isEmpty()
                ? new Undefined("the list is empty")
                : Collections.min(items, (a, b) -> sign * ignoringCase(a, b));
    }

    private static Object map(Object value, Arguments arguments) {
        Object attribute = arguments.takeNamed("attribute", null);
        Object missing = arguments.takeNamed("default", null);
        List<Object> result = new ArrayList<>();
        if (attribute != null) {
            for (Object item : Python.items(value)) {
                Object found = attribute(item, attribute);
                result.add(found instanceof Undefined && missing != null ? missing : found);
            }
            return result;
        }
        String name = arguments.text("filter").toString();
        BiFunction<Object, Arguments, Object> filter = find(name);
        List<Object> rest = rest(arguments);
        for (Object item : Python.items(value)) {
            result.add(filter.apply(item, new Arguments(name, rest, Map.of())));
        }
        return result;
    }

    private static List<Object> rest(Arguments arguments) {
        List<Object> rest = new ArrayList<>();
        while (arguments.hasNext()) {
            rest.add(arguments.take("argument"));
        }
        return rest;
    }

    private static Object select(Object value, Arguments arguments, boolean wanted) {
        BiFunction<Object, List<Object>, Boolean> test =
                arguments.hasNext()
                        ? Tests.find(arguments.text("test").toString())
                        : (item, none) -> Python.isTrue(item);
        List<Object> rest = rest(arguments);
        List<Object> items = Python.items(value);
        items.removeIf(item -> test.apply(item, rest) != wanted);
        return items;
    }

    private static Object selectAttribute(Object value, Arguments arguments, boolean wanted) {
        Object attribute = arguments.take("attribute");
        BiFunction<Object, List<Object>, Boolean> test =
                arguments.hasNext()
                        ? Tests.find(arguments.text("test").toString())
                        : (item, none) -> Python.isTrue(item);
        List<Object> rest = rest(arguments);
        List<Object> items = Python.items(value);
        items.removeIf(item -> test.apply(attribute(item, attribute), rest) != wanted);
        return items;
    }
}

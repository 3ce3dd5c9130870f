package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The filters that templates use, as Jinja2 defines them; jinjava's of the same names take other
 * white space, letter case, numbers and missing values. Any other filter is refused by name.
 */
final class Filters {

    private static final Map<String, Filter> FILTERS =
            Map.ofEntries(
                    Map.entry("tojson", PythonJson::filter),
                    Map.entry("trim", (v, a) -> StringMethods.call(Python.text(v), "strip", a)),
                    Map.entry("upper", (v, a) -> StringMethods.call(Python.text(v), "upper", a)),
                    Map.entry("lower", (v, a) -> StringMethods.call(Python.text(v), "lower", a)),
                    Map.entry(
                            "capitalize",
                            (v, a) -> StringMethods.call(Python.text(v), "capitalize", a)),
                    Map.entry("title", (v, a) -> StringMethods.call(Python.text(v), "title", a)),
                    Map.entry(
                            "replace", (v, a) -> StringMethods.call(Python.text(v), "replace", a)),
                    Map.entry("indent", Filters::indent),
                    Map.entry("string", (v, a) -> Python.text(v)),
                    Map.entry("safe", (v, a) -> Python.text(v)),
                    Map.entry("int", Filters::integer),
                    Map.entry("length", (v, a) -> Python.length(v)),
                    Map.entry("count", (v, a) -> Python.length(v)),
                    Map.entry("default", Filters::orDefault),
                    Map.entry("d", Filters::orDefault),
                    Map.entry("list", (v, a) -> Python.items(v)),
                    Map.entry("first", (v, a) -> first(Python.items(v))),
                    Map.entry("last", (v, a) -> first(reversed(Python.items(v)))),
                    Map.entry(
                            "reverse",
                            (v, a) ->
                                    v instanceof String
                                            ? Python.slice(v, null, null, -1L)
                                            : reversed(Python.items(v))),
                    Map.entry("join", Filters::join),
                    Map.entry(
                            "items",
                            (v, a) ->
                                    v instanceof Undefined
                                            ? List.of()
                                            : Python.entries(mapping("items", v))),
                    Map.entry("dictsort", (v, a) -> dictSort(v)),
                    Map.entry("sort", Filters::sort),
                    Map.entry("unique", (v, a) -> unique(Python.items(v))),
                    Map.entry("map", Filters::map),
                    Map.entry("select", (v, a) -> select(v, a, false, true)),
                    Map.entry("reject", (v, a) -> select(v, a, false, false)),
                    Map.entry("selectattr", (v, a) -> select(v, a, true, true)),
                    Map.entry("rejectattr", (v, a) -> select(v, a, true, false)));

    private Filters() {}

    /** What a filter does with a value. */
    interface Filter {
        Object apply(Object value, Arguments arguments);
    }

    static Filter find(String name) {
        Filter filter = FILTERS.get(name);
        if (filter == null) {
            throw new JinjaException("unknown filter '" + name + "'");
        }
        return filter;
    }

    static Object apply(Filter filter, Object value, Arguments arguments) {
        Object result = filter.apply(value, arguments);
        arguments.end();
        return result;
    }

    private static String indent(Object value, Arguments arguments) {
        Object width = arguments.take("width", 4L);
        boolean first = arguments.flag("first", false);
        boolean blank = arguments.flag("blank", false);
        String margin =
                width instanceof String
                        ? width.toString()
                        : " ".repeat((int) Python.integer(width, "indent: width"));
        String[] lines = Python.text(value).split("\n", -1);
        for (int i = 0; i < lines.length; ++i) {
            if (i == 0 ? first : blank || !lines[i].isEmpty()) {
                lines[i] = margin + lines[i];
            }
        }
        return String.join("\n", lines);
    }

    private static Object integer(Object value, Arguments arguments) {
        Object missing = arguments.take("default", 0L);
        try {
            BigDecimal number = new BigDecimal(Python.text(value).strip());
            return number.setScale(0, RoundingMode.DOWN).longValueExact();
        } catch (ArithmeticException | NumberFormatException e) {
            return value instanceof Boolean ? (Object) (Python.isTrue(value) ? 1L : 0L) : missing;
        }
    }

    private static Object orDefault(Object value, Arguments arguments) {
        Object other = arguments.take("default_value", "");
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

    private static String join(Object value, Arguments arguments) {
        String separator = Python.text(arguments.take("d", ""));
        Object attribute = arguments.take("attribute", null);
        List<String> parts = new ArrayList<>();
        for (Object item : Python.items(value)) {
            parts.add(Python.text(attribute(item, attribute)));
        }
        return String.join(separator, parts);
    }

    /** The attribute of a filter's argument, which may be a name with dots; null is the item. */
    private static Object attribute(Object item, Object attribute) {
        Object value = item;
        if (attribute != null) {
            for (String part : Python.text(attribute).split("\\.", -1)) {
                value =
                        Python.item(
                                value, part.matches("\\d+") ? (Object) Long.valueOf(part) : part);
            }
        }
        return value;
    }

    private static Map<?, ?> mapping(String filter, Object value) {
        if (value instanceof Map) {
            return (Map<?, ?>) value;
        }
        throw new JinjaException(filter + ": expected a mapping, found " + Python.typeName(value));
    }

    private static Object dictSort(Object value) {
        List<Object> pairs = Python.entries(mapping("dictsort", value));
        pairs.sort((a, b) -> ignoringCase(((Tuple) a).get(0), ((Tuple) b).get(0)));
        return pairs;
    }

    private static int ignoringCase(Object a, Object b) {
        return Python.compare(folded(a), folded(b));
    }

    private static Object folded(Object value) {
        return value instanceof String text ? text.toLowerCase(Locale.ROOT) : value;
    }

    private static Object sort(Object value, Arguments arguments) {
        boolean reverse = arguments.flag("reverse", false);
        boolean exactCase = arguments.flag("case_sensitive", false);
        Object attribute = arguments.take("attribute", null);
        Comparator<Object> order = exactCase ? Python::compare : Filters::ignoringCase;
        Comparator<Object> byKey =
                (a, b) -> order.compare(attribute(a, attribute), attribute(b, attribute));
        List<Object> items = Python.items(value);
        items.sort(reverse ? byKey.reversed() : byKey);
        return items;
    }

    private static Object unique(List<Object> items) {
        List<Object> result = new ArrayList<>();
        for (Object item : items) {
            if (result.stream().noneMatch(seen -> Python.equal(folded(seen), folded(item)))) {
                result.add(item);
            }
        }
        return result;
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
        String name = arguments.text("filter");
        Filter filter = find(name);
        List<Object> rest = arguments.rest();
        for (Object item : Python.items(value)) {
            result.add(apply(filter, item, new Arguments(name, rest, Map.of())));
        }
        return result;
    }

    private static Object select(
            Object value, Arguments arguments, boolean byAttribute, boolean wanted) {
        Object attribute = byAttribute ? arguments.take("attribute") : null;
        Tests.Test test =
                arguments.hasNext()
                        ? Tests.find(arguments.text("test"))
                        : (item, none) -> Python.isTrue(item);
        List<Object> rest = arguments.rest();
        List<Object> items = Python.items(value);
        items.removeIf(item -> test.holds(attribute(item, attribute), rest) != wanted);
        return items;
    }
}

package io.pbsattn.zoo.jinja;

import java.util.HashMap;
import java.util.Map;

/** The filters of Jinja2, and {@code tojson} as transformers defines it. */
final class Filters {

    private static final Map<String, Filter> FILTERS = new HashMap<>();

    static {
        FILTERS.put("tojson", PythonJson::filter);
        FILTERS.put("default", Filters::orDefault);
        FILTERS.put("d", Filters::orDefault);
        FILTERS.put("attr", Filters::attribute);
        FILTERS.put("pprint", (v, a) -> PrettyPrint.of(v, a.budget()));
        SequenceFilters.register(FILTERS);
        TextFilters.register(FILTERS);
        NumberFilters.register(FILTERS);
        HtmlFilters.register(FILTERS);
    }

    private Filters() {}

    /** What a filter does with a value. */
    interface Filter {
        Object apply(Object value, Arguments arguments);
    }

    /** The filter of that name, or null. */
    static Filter find(String name) {
        return FILTERS.get(name);
    }

    static JinjaException unknown(String name) {
        return new JinjaException("unknown filter '" + name + "'");
    }

    static Object apply(String name, Filter filter, Object value, Arguments arguments) {
        if (filter == null) {
            throw unknown(name);
        }
        return arguments.of(name).end(filter.apply(value, arguments));
    }

    private static Object orDefault(Object value, Arguments arguments) {
        Object other = arguments.take("default_value", "");
        boolean whenFalse = arguments.flag("boolean", false);
        boolean missing = value instanceof Undefined || (whenFalse && !Values.isTrue(value));
        return missing ? other : value;
    }

    /** An attribute or method, but no key. */
    private static Object attribute(Object value, Arguments arguments) {
        String name = arguments.text("name");
        Object found = Attributes.attribute(value, name);
        return found == Attributes.MISSING
                ? new Undefined(Values.describe(value) + " has no attribute '" + name + "'")
                : found;
    }
}

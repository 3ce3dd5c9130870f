package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/** The methods of Python's dicts that templates use. */
final class MapMethods {

    private static final Map<String, BiFunction<Map<?, ?>, Arguments, Object>> METHODS =
            Map.of(
                    "items", (m, a) -> items(m),
                    "keys", (m, a) -> new ArrayList<Object>(m.keySet()),
                    "values", (m, a) -> new ArrayList<Object>(m.values()),
                    "get", MapMethods::get);

    private MapMethods() {}

    /** The method of that name, bound to the map, or null. */
    static Callable find(Map<?, ?> map, String name) {
        BiFunction<Map<?, ?>, Arguments, Object> method = METHODS.get(name);
        if (method == null) {
            return null;
        }
        return (positional, named) -> {
            Arguments arguments = new Arguments("dict." + name, positional, named);
            Object result = method.apply(map, arguments);
            arguments.end();
            return result;
        };
    }

    /** The entries as pairs. */
    static List<Object> items(Map<?, ?> map) {
        List<Object> pairs = new ArrayList<>();
        map.forEach((key, value) -> pairs.add(new Tuple(Arrays.asList(key, value))));
        return pairs;
    }

    private static Object get(Map<?, ?> map, Arguments arguments) {
        Object key = arguments.take("key");
        Object missing = arguments.take("default", null);
        return map.containsKey(key) ? map.get(key) : missing;
    }
}

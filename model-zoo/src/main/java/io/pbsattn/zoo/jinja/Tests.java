package io.pbsattn.zoo.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.IntPredicate;
import java.util.function.Predicate;

/** The tests behind {@code is}; a test that is not here is refused by name. */
final class Tests {

    private static final Map<String, Test> TESTS = new HashMap<>();

    static {
        unary("defined", v -> !(v instanceof Undefined));
        unary("undefined", v -> v instanceof Undefined);
        unary("none", v -> v == null);
        unary("string", v -> v instanceof String);
        unary("number", Python::isNumber);
        unary("integer", v -> v instanceof Long);
        unary("float", v -> v instanceof Double);
        unary("boolean", v -> v instanceof Boolean);
        unary("true", v -> Boolean.TRUE.equals(v));
        unary("false", v -> Boolean.FALSE.equals(v));
        unary("mapping", v -> v instanceof Map);
        unary("sequence", Tests::isIterable);
        unary("iterable", Tests::isIterable);
        unary("callable", v -> v instanceof Callable);
        unary("odd", v -> Python.integer(v, "odd") % 2 != 0);
        unary("even", v -> Python.integer(v, "even") % 2 == 0);
        binary(
                "divisibleby",
                (a, b) -> Python.integer(a, "divisibleby") % Python.integer(b, "divisibleby") == 0);
        binary("in", (a, b) -> Python.contains(b, a));
        binary("sameas", (a, b) -> a == b || (a instanceof Boolean && a.equals(b)));
        for (String name : List.of("eq", "equalto", "==")) {
            binary(name, Python::equal);
        }
        for (String name : List.of("ne", "!=")) {
            binary(name, (a, b) -> !Python.equal(a, b));
        }
        order(List.of("lt", "lessthan", "<"), order -> order < 0);
        order(List.of("le", "<="), order -> order <= 0);
        order(List.of("gt", "greaterthan", ">"), order -> order > 0);
        order(List.of("ge", ">="), order -> order >= 0);
    }

    /** A test and its arguments. */
    interface Test {
        boolean holds(Object value, List<Object> arguments);
    }

    private Tests() {}

    static Test find(String name) {
        Test test = TESTS.get(name);
        if (test == null) {
            throw new JinjaException("unknown test '" + name + "'");
        }
        return test;
    }

    private static boolean isIterable(Object value) {
        return value instanceof String
                || value instanceof List
                || value instanceof Map
                || value instanceof Undefined;
    }

    private static void unary(String name, Predicate<Object> test) {
        TESTS.put(
                name,
                (value, arguments) -> {
                    expect(name, arguments, 0);
                    return test.test(value);
                });
    }

    private static void binary(String name, BiFunction<Object, Object, Boolean> test) {
        TESTS.put(
                name,
                (value, arguments) -> {
                    expect(name, arguments, 1);
                    return test.apply(value, arguments.get(0));
                });
    }

    private static void order(List<String> names, IntPredicate test) {
        for (String name : names) {
            binary(name, (a, b) -> test.test(Python.compare(a, b)));
        }
    }

    private static void expect(String name, List<Object> arguments, int count) {
        if (arguments.size() != count) {
            throw new JinjaException(
                    "test '"
                            + name
                            + "': expected "
                            + count
                            + " arguments, found "
                            + arguments.size());
        }
    }
}

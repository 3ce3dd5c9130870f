package io.pbsattn.zoo.jinja;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** The tests behind {@code is}. */
final class Tests {

    private static final Map<String, Test> TESTS = new HashMap<>();

    static {
        unary("defined", v -> !(v instanceof Undefined));
        unary("undefined", v -> v instanceof Undefined);
        unary("none", v -> v == null);
        unary("string", Text::is);
        unary("number", Numbers::is);
        unary("integer", v -> Numbers.isInteger(v) && !(v instanceof Boolean));
        unary("float", v -> v instanceof Double);
        unary("boolean", v -> v instanceof Boolean);
        unary("true", v -> Boolean.TRUE.equals(v));
        unary("false", v -> Boolean.FALSE.equals(v));
        unary("mapping", v -> v instanceof Dict);
        unary("sequence", Tests::isSequence);
        unary("iterable", Sequences::isIterable);
        unary("callable", v -> v instanceof Callable || v instanceof Undefined);
        unary("escaped", v -> v instanceof Markup);
        TESTS.put("filter", (v, a) -> Filters.find(name(v, a)) != null);
        TESTS.put("test", (v, a) -> TESTS.containsKey(name(v, a)));
        TESTS.put("lower", (v, a) -> StringMethods.isLower(scanned(v, a)));
        TESTS.put("upper", (v, a) -> StringMethods.isUpper(scanned(v, a)));
        TESTS.put("odd", (v, a) -> Equality.equal(rest(v, 2L, a), 1L, a.budget()));
        TESTS.put("even", (v, a) -> Equality.equal(rest(v, 2L, a), 0L, a.budget()));
        TESTS.put(
                "divisibleby", (v, a) -> Equality.equal(rest(v, a.take("num"), a), 0L, a.budget()));
        TESTS.put("sameas", (v, a) -> isSame(v, a.take("other"), a));
        TESTS.put("in", (v, a) -> Equality.contains(a.take("seq"), v, a.budget()));
        comparison("==", "eq", "equalto");
        comparison("!=", "ne");
        comparison("<", "lt", "lessthan");
        comparison("<=", "le");
        comparison(">", "gt", "greaterthan");
        comparison(">=", "ge");
    }

    private Tests() {}

    /** What a test asks. */
    interface Test {
        boolean holds(Object value, Arguments arguments);
    }

    private static void unary(String name, Predicate<Object> test) {
        TESTS.put(name, (value, arguments) -> test.test(value));
    }

    private static void comparison(String operator, String... names) {
        Test test = (v, a) -> Equality.compare(operator, v, a.next("other"), a.budget());
        TESTS.put(operator, test);
        for (String name : names) {
            TESTS.put(name, test);
        }
    }

    /** The test of that name, or null. */
    static Test find(String name) {
        return TESTS.get(name);
    }

    static JinjaException unknown(String name) {
        return new JinjaException("unknown test '" + name + "'");
    }

    static boolean apply(String name, Test test, Object value, Arguments arguments) {
        if (test == null) {
            throw unknown(name);
        }
        return arguments.of("test '" + name + "'").end(test.holds(value, arguments));
    }

    private static boolean isSequence(Object value) {
        return Text.is(value)
                || value instanceof List
                || value instanceof Dict
                || value instanceof Undefined;
    }

    private static String scanned(Object value, Arguments arguments) {
        String text = Text.str(value, arguments.budget());
        arguments.budget().scan(text.length());
        return text;
    }

    private static String name(Object value, Arguments arguments) {
        if (Equality.key(value, arguments.budget()) == Attributes.MISSING) {
            throw new JinjaException(Values.describe(value) + " is no name");
        }
        return Text.is(value) ? Text.of(value) : "";
    }

    private static Object rest(Object value, Object divisor, Arguments arguments) {
        return Operators.find("%").apply(value, divisor, arguments.budget());
    }

    /** Whether two values are one object; small and constant values are. */
    private static boolean isSame(Object a, Object b, Arguments arguments) {
        boolean areConstants =
                (Text.is(a) && Text.is(b))
                        || (Numbers.is(a) && Numbers.is(b) && a.getClass() == b.getClass());
        return a == b || (areConstants && Equality.equal(a, b, arguments.budget()));
    }
}

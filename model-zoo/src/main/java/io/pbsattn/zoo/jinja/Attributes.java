package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.Set;

/** What {@code value.name} and {@code value[key]} give. */
final class Attributes {

    /** There is no such attribute, item or argument. */
    static final Object MISSING = new Object();

    /** Methods that change a list or dict, which the sandbox hides. */
    private static final Set<String> CHANGE_LIST =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");

    private static final Set<String> CHANGE_DICT =
            Set.of("clear", "pop", "popitem", "setdefault", "update");

    private Attributes() {}

    /** {@code value.name}: an attribute or method first, then a key. */
    static Object get(Object value, String name, Scope scope) {
        Object found = attribute(value, name);
        if (found == MISSING && value instanceof Dict dict) {
            found = dict.getOr(name, MISSING);
        }
        return found == MISSING ? missing(value, "attribute '" + name + "'") : found;
    }

    /** {@code value[key]}: an item first, then an attribute. */
    static Object item(Object value, Object key, Scope scope) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        Object found = MISSING;
        if (value instanceof Dict dict) {
            found = dict.find(key);
        } else if (value instanceof List || Text.is(value)) {
            found = Sequences.item(value, key, scope.budget());
        }
        if (found == MISSING && Text.is(key)) {
            found = attribute(value, Text.of(key));
        }
        return found == MISSING ? missing(value, "item " + describe(key)) : found;
    }

    private static String describe(Object key) {
        return Text.is(key)
                ? "'" + Text.of(key) + "'"
                : key instanceof Long ? "" + key : "of this kind";
    }

    private static Undefined missing(Object value, String what) {
        return new Undefined(Values.describe(value) + " has no " + what);
    }

    /** An attribute or method of a value, or {@link #MISSING}. */
    static Object attribute(Object value, String name) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        } else if (value instanceof HasAttributes object) {
            return object.attribute(name);
        } else if (Text.is(value)) {
            return orMissing(StringMethods.find(value, name));
        } else if (value instanceof Dict dict) {
            return CHANGE_DICT.contains(name) ? unsafe(name) : orMissing(dictMethod(dict, name));
        } else if (value instanceof Range range) {
            return rangeAttribute(range, name);
        } else if (value instanceof List<?> list) {
            boolean hidden = CHANGE_LIST.contains(name) && !(value instanceof Tuple);
            return hidden ? unsafe(name) : listMethod(list, name);
        }
        return Numbers.is(value) ? numberAttribute(value, name) : MISSING;
    }

    private static Object orMissing(Callable method) {
        return method == null ? MISSING : method;
    }

    private static Undefined unsafe(String name) {
        return new Undefined("'" + name + "' changes a value, which templates cannot");
    }

    private static Callable dictMethod(Dict dict, String name) {
        return switch (name) {
            case "items" -> arguments -> view(DictView.Kind.ITEMS, dict, arguments);
            case "keys" -> arguments -> view(DictView.Kind.KEYS, dict, arguments);
            case "values" -> arguments -> view(DictView.Kind.VALUES, dict, arguments);
            case "get" ->
                    arguments -> {
                        Object key = arguments.of("dict.get").next("key");
                        return arguments.end(dict.getOr(key, arguments.next("default", null)));
                    };
            case "copy" ->
                    arguments -> {
                        arguments.of("dict.copy").end();
                        Dict copy = new Dict(arguments.budget());
                        copy.putAll(dict);
                        return copy;
                    };
            default -> null;
        };
    }

    private static Object view(DictView.Kind kind, Dict dict, Arguments arguments) {
        arguments.of("dict." + Characters.lower(kind.name())).end();
        return new DictView(kind, dict);
    }

    private static Object rangeAttribute(Range range, String name) {
        return switch (name) {
            case "start" -> range.start();
            case "stop" -> range.stop();
            case "step" -> range.step();
            default -> name.equals("copy") ? MISSING : listMethod(range, name);
        };
    }

    static Object listMethod(List<?> list, String name) {
        return switch (name) {
            case "index" -> (Callable) arguments -> index(list, arguments);
            case "count" -> (Callable) arguments -> count(list, arguments);
            case "copy" ->
                    list instanceof Tuple
                            ? MISSING
                            : (Callable) arguments -> copy(list, arguments.of("list.copy"));
            default -> MISSING;
        };
    }

    private static Object copy(List<?> list, Arguments arguments) {
        arguments.end();
        return Sequences.list(list, arguments.budget());
    }

    private static Object index(List<?> list, Arguments arguments) {
        Object item = arguments.of("list.index").next("value");
        long from = bound(list, arguments.next("start", 0L));
        long to = bound(list, arguments.next("stop", (long) list.size()));
        arguments.end();
        for (long i = from; i < to; ++i) {
            if (equal(list.get((int) i), item, arguments.budget())) {
                return i;
            }
        }
        throw new JinjaException("list.index: the item is not in the list");
    }

    private static long bound(List<?> list, Object given) {
        long index = Numbers.index(given, "list.index");
        return Math.max(0, Math.min(list.size(), index < 0 ? index + list.size() : index));
    }

    private static Object count(List<?> list, Arguments arguments) {
        Object item = arguments.of("list.count").next("value");
        arguments.end();
        long count = 0;
        for (Object other : list) {
            count += equal(other, item, arguments.budget()) ? 1 : 0;
        }
        return count;
    }

    private static boolean equal(Object a, Object b, Budget budget) {
        budget.step();
        return a == b || Equality.equal(a, b, budget);
    }

    private static Object numberAttribute(Object value, String name) {
        boolean isInteger = Numbers.isInteger(value);
        return switch (name) {
            case "real", "numerator" ->
                    isInteger
                            ? Numbers.integer(Numbers.big(value))
                            : name.equals("real") ? value : MISSING;
            case "imag" -> isInteger ? (Object) 0L : (Object) 0.0;
            case "denominator" -> isInteger ? (Object) 1L : MISSING;
            case "bit_length" ->
                    isInteger
                            ? (Callable)
                                    a -> a.of(name).end((long) Numbers.big(value).abs().bitLength())
                            : MISSING;
            case "bit_count" ->
                    isInteger
                            ? (Callable)
                                    a -> a.of(name).end((long) Numbers.big(value).abs().bitCount())
                            : MISSING;
            case "is_integer" ->
                    isInteger ? MISSING : (Callable) a -> a.of(name).end(isWhole((Double) value));
            case "conjugate" ->
                    (Callable)
                            a ->
                                    a.of(name)
                                            .end(
                                                    isInteger
                                                            ? Numbers.integer(Numbers.big(value))
                                                            : value);
            case "as_integer_ratio" -> (Callable) a -> a.of(name).end(ratio(value));
            default -> MISSING;
        };
    }

    private static boolean isWhole(double value) {
        return Double.isFinite(value) && value == Math.rint(value);
    }

    private static Tuple ratio(Object value) {
        if (Numbers.isInteger(value)) {
            return Tuple.of(Numbers.integer(Numbers.big(value)), 1L);
        }
        double number = (Double) value;
        if (!Double.isFinite(number)) {
            throw new JinjaException("as_integer_ratio: expected a finite number");
        }
        BigDecimal exact = new BigDecimal(number);
        BigInteger denominator = BigInteger.TEN.pow(Math.max(0, exact.scale()));
        BigInteger numerator = exact.multiply(new BigDecimal(denominator)).toBigInteger();
        BigInteger divisor = numerator.gcd(denominator).max(BigInteger.ONE);
        return Tuple.of(
                Numbers.integer(numerator.divide(divisor)),
                Numbers.integer(denominator.divide(divisor)));
    }
}

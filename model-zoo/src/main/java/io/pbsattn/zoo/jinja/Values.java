package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A template's values: {@code null} (None), numbers ({@link Numbers}), strings ({@link Text}),
 * {@code List} (list), {@link Tuple}, {@link Range}, {@link Dict}, {@link DictView}, {@link
 * Generator}, {@link Undefined}, {@link Callable} and objects that {@link HasAttributes}.
 */
final class Values {

    private Values() {}

    /** Makes values of JSON-like maps, lists, strings, numbers, booleans and nulls. */
    static Object of(Object java, Budget budget) {
        budget.enter();
        Object value;
        if (java == null || java instanceof Boolean) {
            value = java;
        } else if (java instanceof CharSequence || java instanceof Character) {
            value = java.toString();
        } else if (java instanceof Number number) {
            value = number(number);
        } else if (java instanceof Map<?, ?> map) {
            Dict dict = new Dict(budget);
            map.forEach((key, item) -> dict.put(of(key, budget), of(item, budget)));
            value = dict;
        } else if (java instanceof Iterable<?> items) {
            List<Object> list = new ArrayList<>();
            for (Object item : items) {
                budget.items(1);
                list.add(of(item, budget));
            }
            value = list;
        } else {
            throw new JinjaException(
                    "a template takes strings, numbers, booleans, lists and maps, not "
                            + java.getClass().getName());
        }
        budget.leave();
        return value;
    }

    private static Object number(Number number) {
        if (number instanceof Double || number instanceof Float || number instanceof BigDecimal) {
            return number.doubleValue();
        }
        String text = number.toString();
        if (text.matches("-?\\d{1,4300}")) {
            return Numbers.integer(new BigInteger(text));
        }
        return Double.valueOf(text);
    }

    static boolean isTrue(Object value) {
        if (value == null || value instanceof Undefined) {
            return false;
        } else if (value instanceof Boolean b) {
            return b;
        } else if (Numbers.is(value)) {
            return !Numbers.equal(value, 0L);
        } else if (Text.is(value)) {
            return !Text.of(value).isEmpty();
        }
        return Sequences.size(value) != 0;
    }

    /** Whether an object's own text is Python's too. */
    static boolean hasText(Object value) {
        return value instanceof Long
                || value instanceof Range
                || value instanceof Macro
                || value instanceof Loop
                || value instanceof Blocks;
    }

    /** A value's type, for errors. */
    static String describe(Object value) {
        if (value == null) {
            return "None";
        } else if (Text.is(value)) {
            return "a string";
        } else if (value instanceof Boolean) {
            return "a boolean";
        } else if (Numbers.isInteger(value)) {
            return "an integer";
        } else if (value instanceof Double) {
            return "a float";
        } else if (value instanceof Tuple) {
            return "a tuple";
        } else if (value instanceof Range) {
            return "a range";
        } else if (value instanceof List) {
            return "a list";
        } else if (value instanceof Dict) {
            return "a dict";
        } else if (value instanceof DictView) {
            return "a view of a dict";
        } else if (value instanceof Generator) {
            return "an iterator";
        } else if (value instanceof Undefined undefined) {
            return "an undefined value (" + undefined.what() + ")";
        }
        return value instanceof Callable ? "a function" : "an object";
    }
}

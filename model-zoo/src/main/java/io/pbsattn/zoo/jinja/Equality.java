package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** How Python compares values. */
final class Equality {

    /** None as a key. */
    private static final Object NONE = new Object();

    private Equality() {}

    /** A list of the keys of a tuple's items. */
    private record TupleKey(List<Object> items) {}

    /**
     * What two equal keys of a dict have in common; {@link Attributes#MISSING} for what cannot be a
     * key.
     */
    static Object key(Object value, Budget budget) {
        budget.enter();
        Object key;
        if (value == null) {
            key = NONE;
        } else if (Text.is(value)) {
            budget.scan(Text.of(value).length());
            key = Text.of(value);
        } else if (Numbers.is(value)) {
            key = Numbers.key(value);
        } else if (value instanceof Tuple tuple) {
            List<Object> items = new ArrayList<>();
            for (Object item : tuple) {
                items.add(key(item, budget));
            }
            key = items.contains(Attributes.MISSING) ? Attributes.MISSING : new TupleKey(items);
        } else if (value instanceof Undefined) {
            key = Undefined.class;
        } else if (value instanceof Dict || value instanceof DictView || isList(value)) {
            key = Attributes.MISSING;
        } else {
            key = value;
        }
        budget.leave();
        return key;
    }

    private static boolean isList(Object value) {
        return value instanceof List && !(value instanceof Range);
    }

    static boolean equal(Object a, Object b, Budget budget) {
        if (Numbers.is(a) && Numbers.is(b)) {
            return Numbers.equal(a, b);
        } else if (Text.is(a) && Text.is(b)) {
            budget.scan(Math.min(Text.of(a).length(), Text.of(b).length()));
            return Text.of(a).equals(Text.of(b));
        }
        budget.enter();
        boolean equal;
        if (a instanceof List<?> x && b instanceof List<?> y) {
            equal = kind(x) == kind(y) && equalItems(x, y, budget);
        } else if (a instanceof Dict x && b instanceof Dict y) {
            equal = x.size() == y.size() && equalEntries(x, y, budget);
        } else if (a instanceof DictView x && b instanceof DictView y) {
            equal = equalViews(x, y, budget);
        } else if (a instanceof Undefined) {
            equal = b instanceof Undefined;
        } else {
            equal = a == b;
        }
        budget.leave();
        return equal;
    }

    /** Lists, tuples and ranges are never equal to each other. */
    private static Class<?> kind(List<?> list) {
        if (list instanceof Range) {
            return Range.class;
        }
        return list instanceof Tuple ? Tuple.class : List.class;
    }

    private static boolean equalItems(List<?> a, List<?> b, Budget budget) {
        if (a.size() != b.size()) {
            return false;
        }
        for (int i = 0; i < a.size(); ++i) {
            if (!same(a.get(i), b.get(i), budget)) {
                return false;
            }
        }
        return true;
    }

    /** Items of lists are equal if they are the same object, even if it is not equal to itself. */
    private static boolean same(Object a, Object b, Budget budget) {
        budget.step();
        return a == b || equal(a, b, budget);
    }

    private static boolean equalEntries(Dict a, Dict b, Budget budget) {
        for (Map.Entry<Object, Object> entry : a.entries()) {
            Object other = b.getOr(entry.getKey(), Attributes.MISSING);
            if (!same(entry.getValue(), other, budget)) {
                return false;
            }
        }
        return true;
    }

    /** Keys and items are sets; values are equal to none. */
    private static boolean equalViews(DictView a, DictView b, Budget budget) {
        boolean areSets = a.kind() != DictView.Kind.VALUES && b.kind() != DictView.Kind.VALUES;
        if (!areSets || a.dict().size() != b.dict().size()) {
            return false;
        }
        List<Object> others = b.items();
        for (Object item : a.items()) {
            if (!contains(others, item, budget)) {
                return false;
            }
        }
        return true;
    }

    /** The order of two values. */
    static int compare(Object a, Object b, Budget budget) {
        if (Numbers.is(a) && Numbers.is(b)) {
            return Numbers.compare(a, b);
        } else if (Text.is(a) && Text.is(b)) {
            budget.scan(Math.min(Text.of(a).length(), Text.of(b).length()));
            return compareText(Text.of(a), Text.of(b));
        } else if (isList(a) && isList(b) && kind((List<?>) a) == kind((List<?>) b)) {
            budget.enter();
            int order = compareItems((List<?>) a, (List<?>) b, budget);
            budget.leave();
            return order;
        }
        throw Operators.wrongOperands("<", a, b);
    }

    /** By characters as Python counts them, of which Java's pairs are the largest. */
    private static int compareText(String a, String b) {
        int length = Math.min(a.length(), b.length());
        for (int i = 0; i < length; ++i) {
            char x = a.charAt(i);
            char y = b.charAt(i);
            if (x != y) {
                boolean isPair = Character.isSurrogate(x);
                boolean sameKind = isPair == Character.isSurrogate(y);
                return sameKind ? Character.compare(x, y) : isPair ? 1 : -1;
            }
        }
        return Integer.compare(a.length(), b.length());
    }

    private static int compareItems(List<?> a, List<?> b, Budget budget) {
        for (int i = 0; i < Math.min(a.size(), b.size()); ++i) {
            if (!same(a.get(i), b.get(i), budget)) {
                return compare(a.get(i), b.get(i), budget);
            }
        }
        return Integer.compare(a.size(), b.size());
    }

    /** A comparison by its operator. */
    static boolean compare(String operator, Object a, Object b, Budget budget) {
        boolean isNan = isNan(a) || isNan(b);
        return switch (operator) {
            case "==" -> equal(a, b, budget);
            case "!=" -> !equal(a, b, budget);
            case "in" -> contains(b, a, budget);
            case "not in" -> !contains(b, a, budget);
            case "<" -> compare(a, b, budget) < 0 && !isNan;
            case "<=" -> compare(a, b, budget) <= 0 && !isNan;
            case ">" -> compare(a, b, budget) > 0 && !isNan;
            default -> compare(a, b, budget) >= 0 && !isNan;
        };
    }

    static boolean isNan(Object value) {
        return value instanceof Double d && d.isNaN();
    }

    static boolean contains(Object container, Object item, Budget budget) {
        if (Text.is(container)) {
            if (!Text.is(item)) {
                throw Operators.wrongOperands("in", item, container);
            }
            return Search.first(Text.of(container), Text.of(item), 0, budget) >= 0;
        } else if (container instanceof Dict dict) {
            return dict.has(item);
        } else if (container instanceof DictView view && view.kind() == DictView.Kind.KEYS) {
            return view.dict().has(item);
        }
        Iterator<Object> items = Sequences.iterator(container, budget);
        while (items.hasNext()) {
            if (same(items.next(), item, budget)) {
                return true;
            }
        }
        return false;
    }
}

package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** The filters of lists, dicts and iterators. */
final class SequenceFilters {

    private SequenceFilters() {}

    static void register(Map<String, Filters.Filter> filters) {
        filters.put("length", (v, a) -> Sequences.length(v, a.budget()));
        filters.put("count", (v, a) -> Sequences.length(v, a.budget()));
        filters.put("list", (v, a) -> Sequences.list(v, a.budget()));
        filters.put("first", (v, a) -> first(Sequences.iterator(v, a.budget())));
        filters.put("last", (v, a) -> first(reversed(v, a.budget())));
        filters.put("reverse", SequenceFilters::reverse);
        filters.put("random", SequenceFilters::random);
        filters.put("join", SequenceFilters::join);
        filters.put("items", SequenceFilters::items);
        filters.put("dictsort", SequenceFilters::dictSort);
        filters.put("sort", SequenceFilters::sort);
        filters.put("unique", SequenceFilters::unique);
        filters.put("min", (v, a) -> extreme(v, a, -1));
        filters.put("max", (v, a) -> extreme(v, a, 1));
        filters.put("sum", SequenceFilters::sum);
        filters.put("groupby", SequenceFilters::groupBy);
        filters.put("batch", SequenceFilters::batch);
        filters.put("slice", SequenceFilters::slice);
        filters.put("map", SequenceFilters::map);
        filters.put("select", (v, a) -> select(v, a, false, true));
        filters.put("reject", (v, a) -> select(v, a, false, false));
        filters.put("selectattr", (v, a) -> select(v, a, true, true));
        filters.put("rejectattr", (v, a) -> select(v, a, true, false));
    }

    /** An iterator that is made when its first item is wanted. */
    private static Generator later(Supplier<Iterator<Object>> source) {
        return new Generator(
                new Iterator<Object>() {
                    private Iterator<Object> items;

                    private Iterator<Object> items() {
                        items = items == null ? source.get() : items;
                        return items;
                    }

                    @Override
                    public boolean hasNext() {
                        return items().hasNext();
                    }

                    @Override
                    public Object next() {
                        return items().next();
                    }
                });
    }

    private static Iterator<Object> mapped(
            Iterator<Object> items, Function<Object, Object> change) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return items.hasNext();
            }

            @Override
            public Object next() {
                return change.apply(items.next());
            }
        };
    }

    private static Iterator<Object> filtered(Iterator<Object> items, Predicate<Object> test) {
        return new Iterator<>() {
            private Object found;
            private boolean isFound;

            @Override
            public boolean hasNext() {
                while (!isFound && items.hasNext()) {
                    found = items.next();
                    isFound = test.test(found);
                }
                return isFound;
            }

            @Override
            public Object next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                isFound = false;
                return found;
            }
        };
    }

    private static Object first(Iterator<Object> items) {
        return items.hasNext() ? items.next() : new Undefined("there is no item");
    }

    /** The items backwards; of an iterator nobody knows the last one. */
    private static Iterator<Object> reversed(Object value, Budget budget) {
        if (Sequences.size(value) < 0 || value instanceof Loop) {
            throw new JinjaException(Values.describe(value) + " has no last item");
        }
        List<Object> items = Sequences.list(value, budget);
        Collections.reverse(items);
        return items.iterator();
    }

    private static Object reverse(Object value, Arguments arguments) {
        if (Text.is(value)) {
            return Sequences.slice(value, null, null, -1L, arguments.budget());
        }
        List<Object> items = Sequences.list(value, arguments.budget());
        Collections.reverse(items);
        return value instanceof Generator ? items : new Generator(items.iterator());
    }

    private static Object random(Object value, Arguments arguments) {
        long size = Sequences.length(value, arguments.budget());
        if (size == 0) {
            return new Undefined("there is no item");
        }
        Random random = arguments.scope().rendering().random();
        Object item = Attributes.item(value, (long) random.nextInt((int) size), arguments.scope());
        if (item instanceof Undefined undefined) {
            throw undefined.error();
        }
        return item;
    }

    private static Object join(Object value, Arguments arguments) {
        Object separator = arguments.take("d", "");
        Object attribute = arguments.take("attribute", null);
        Selector selector = Selector.of(attribute, null, false, arguments.scope());
        List<Object> items = Sequences.list(value, arguments.budget());
        if (attribute != null) {
            items.replaceAll(selector::of);
        }
        boolean isMarkup =
                separator instanceof Markup || items.stream().anyMatch(Markup.class::isInstance);
        return Text.join(
                separator, items, arguments.scope().escapes() && isMarkup, arguments.budget());
    }

    private static Dict dict(Object value, String filter) {
        if (value instanceof Dict dict) {
            return dict;
        } else if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        throw new JinjaException(filter + ": expected a dict, found " + Values.describe(value));
    }

    private static Object items(Object value, Arguments arguments) {
        Budget budget = arguments.budget();
        return later(
                () ->
                        value instanceof Undefined
                                ? Collections.emptyIterator()
                                : Sequences.iterator(
                                        new DictView(DictView.Kind.ITEMS, dict(value, "items")),
                                        budget));
    }

    private static Object dictSort(Object value, Arguments arguments) {
        boolean exactCase = arguments.flag("case_sensitive", false);
        String by = arguments.text("by", "key");
        boolean reverse = arguments.flag("reverse", false);
        if (!by.equals("key") && !by.equals("value")) {
            throw arguments.error("by", "expected 'key' or 'value'");
        }
        Selector selector =
                Selector.of(by.equals("key") ? 0L : 1L, null, !exactCase, arguments.scope());
        DictView entries = new DictView(DictView.Kind.ITEMS, dict(value, "dictsort"));
        List<Object> items = Sequences.list(entries, arguments.budget());
        return sorted(items, selector::of, reverse, arguments.budget());
    }

    private static Object sort(Object value, Arguments arguments) {
        boolean reverse = arguments.flag("reverse", false);
        boolean exactCase = arguments.flag("case_sensitive", false);
        Object attribute = arguments.take("attribute", null);
        List<Selector> keys = Selector.list(attribute, !exactCase, arguments.scope());
        List<Object> items = Sequences.list(value, arguments.budget());
        return sorted(items, item -> all(keys, item), reverse, arguments.budget());
    }

    private static List<Object> all(List<Selector> selectors, Object item) {
        List<Object> values = new ArrayList<>();
        selectors.forEach(selector -> values.add(selector.of(item)));
        return values;
    }

    /** An item and what it is sorted by. */
    private record Keyed(Object key, Object item) {}

    private static List<Object> sorted(
            List<Object> items, Function<Object, Object> key, boolean reverse, Budget budget) {
        budget.items(items.size());
        List<Keyed> keyed = new ArrayList<>();
        items.forEach(item -> keyed.add(new Keyed(key.apply(item), item)));
        Comparator<Keyed> order =
                (a, b) -> {
                    budget.step();
                    return Equality.compare(a.key, b.key, budget);
                };
        try {
            keyed.sort(reverse ? order.reversed() : order);
        } catch (JinjaException e) {
            throw e;
        } catch (IllegalArgumentException e) {
            throw new JinjaException("sort: the items have no order");
        }
        List<Object> result = new ArrayList<>();
        keyed.forEach(entry -> result.add(entry.item));
        return result;
    }

    private static Object unique(Object value, Arguments arguments) {
        boolean exactCase = arguments.flag("case_sensitive", false);
        Object attribute = arguments.take("attribute", null);
        Selector selector = Selector.of(attribute, null, !exactCase, arguments.scope());
        Budget budget = arguments.budget();
        Set<Object> seen = new HashSet<>();
        return later(
                () ->
                        filtered(
                                Sequences.iterator(value, budget),
                                item -> {
                                    Object key = Equality.key(selector.of(item), budget);
                                    if (key == Attributes.MISSING) {
                                        throw new JinjaException("unique: an item cannot be a key");
                                    }
                                    budget.items(1);
                                    return seen.add(key);
                                }));
    }

    private static Object extreme(Object value, Arguments arguments, int wanted) {
        boolean exactCase = arguments.flag("case_sensitive", false);
        Object attribute = arguments.take("attribute", null);
        Selector selector = Selector.of(attribute, null, !exactCase, arguments.scope());
        Iterator<Object> items = Sequences.iterator(value, arguments.budget());
        if (!items.hasNext()) {
            return new Undefined("there is no item");
        }
        Object best = items.next();
        Object bestKey = selector.of(best);
        while (items.hasNext()) {
            Object item = items.next();
            Object key = selector.of(item);
            if (Equality.compare(wanted < 0 ? "<" : ">", key, bestKey, arguments.budget())) {
                best = item;
                bestKey = key;
            }
        }
        return best;
    }

    private static Object sum(Object value, Arguments arguments) {
        Object attribute = arguments.take("attribute", null);
        Object sum = arguments.take("start", 0L);
        if (Text.is(sum)) {
            throw arguments.error("start", "expected no string");
        }
        Selector selector = Selector.of(attribute, null, false, arguments.scope());
        Iterator<Object> items = Sequences.iterator(value, arguments.budget());
        while (items.hasNext()) {
            sum = Operators.add(sum, selector.of(items.next()), arguments.budget());
        }
        return sum;
    }

    /** Groups are pairs of what their items have in common and the items. */
    private static Object groupBy(Object value, Arguments arguments) {
        Object attribute = arguments.take("attribute");
        Object missing = arguments.take("default", null);
        boolean exactCase = arguments.flag("case_sensitive", false);
        Budget budget = arguments.budget();
        Selector key = Selector.of(attribute, missing, !exactCase, arguments.scope());
        Selector shown = Selector.of(attribute, missing, false, arguments.scope());
        List<Object> groups = new ArrayList<>();
        List<Object> group = new ArrayList<>();
        Object last = null;
        for (Object item : sorted(Sequences.list(value, budget), key::of, false, budget)) {
            if (group.isEmpty() || !Equality.equal(last, key.of(item), budget)) {
                group = new ArrayList<>();
                last = key.of(item);
                groups.add(new Group(shown.of(item), group));
            }
            group.add(item);
        }
        return groups;
    }

    private static Object batch(Object value, Arguments arguments) {
        Object size = arguments.take("linecount");
        Object fill = arguments.take("fill_with", null);
        Budget budget = arguments.budget();
        return later(
                () -> {
                    Iterator<Object> items = Sequences.iterator(value, budget);
                    return new Iterator<>() {
                        @Override
                        public boolean hasNext() {
                            return items.hasNext();
                        }

                        @Override
                        public Object next() {
                            return batch(items, size, fill, budget);
                        }
                    };
                });
    }

    private static Object batch(Iterator<Object> items, Object size, Object fill, Budget budget) {
        List<Object> batch = new ArrayList<>();
        while (items.hasNext()
                && (batch.isEmpty()
                        || !Numbers.is(size)
                        || !Numbers.equal((long) batch.size(), size))) {
            budget.items(1);
            batch.add(items.next());
        }
        if (fill != null) {
            long wanted = Numbers.index(size, "batch: linecount");
            budget.items(Math.max(0, wanted - batch.size()));
            batch.addAll(Collections.nCopies((int) Math.max(0, wanted - batch.size()), fill));
        }
        return batch;
    }

    private static Object slice(Object value, Arguments arguments) {
        Object count = arguments.take("slices");
        Object fill = arguments.take("fill_with", null);
        Budget budget = arguments.budget();
        return later(() -> slices(Sequences.list(value, budget), count, fill, budget).iterator());
    }

    private static List<Object> slices(
            List<Object> items, Object count, Object fill, Budget budget) {
        long slices = Numbers.index(count, "slice: slices");
        if (slices == 0) {
            throw new JinjaException("slice: expected another number than zero");
        }
        budget.items(Math.max(0, slices) + items.size());
        List<Object> result = new ArrayList<>();
        long size = Math.floorDiv(items.size(), slices);
        long larger = Math.floorMod(items.size(), slices);
        int from = 0;
        for (long i = 0; i < slices; ++i) {
            int to = (int) (from + size + (i < larger ? 1 : 0));
            List<Object> slice = new ArrayList<>(items.subList(from, to));
            if (fill != null && i >= larger) {
                slice.add(fill);
            }
            result.add(slice);
            from = to;
        }
        return result;
    }

    private static Object map(Object value, Arguments arguments) {
        boolean byAttribute = !arguments.hasNext();
        Object attribute =
                byAttribute ? arguments.takeNamed("attribute", Attributes.MISSING) : null;
        Object missing = byAttribute ? arguments.takeNamed("default", null) : null;
        Object name = byAttribute ? null : arguments.next("filter");
        List<Object> rest = arguments.rest();
        Map<String, Object> named = arguments.restNamed();
        Scope scope = arguments.scope();
        return later(
                () -> {
                    if (!Values.isTrue(value)) {
                        return Collections.emptyIterator();
                    }
                    Function<Object, Object> change;
                    if (byAttribute) {
                        if (attribute == Attributes.MISSING || !named.isEmpty()) {
                            throw new JinjaException("map: expected a filter or an attribute");
                        }
                        change = Selector.of(attribute, missing, false, scope)::of;
                    } else {
                        String filter = arguments.asText("filter", name);
                        change =
                                item ->
                                        Filters.apply(
                                                filter,
                                                Filters.find(filter),
                                                item,
                                                new Arguments(scope, rest, named));
                    }
                    return mapped(Sequences.iterator(value, scope.budget()), change);
                });
    }

    private static Object select(
            Object value, Arguments arguments, boolean byAttribute, boolean wanted) {
        List<Object> rest = arguments.rest();
        Map<String, Object> named = arguments.restNamed();
        Scope scope = arguments.scope();
        return later(
                () -> {
                    if (!Values.isTrue(value)) {
                        return Collections.emptyIterator();
                    }
                    Arguments given = new Arguments(scope, rest, named).of("select");
                    Object attribute = byAttribute ? given.next("attribute") : null;
                    Selector selector = Selector.of(attribute, null, false, scope);
                    Predicate<Object> test = test(given);
                    return filtered(
                            Sequences.iterator(value, scope.budget()),
                            item -> test.test(selector.of(item)) == wanted);
                });
    }

    /** The test whose name comes next, or whether a value is true. */
    private static Predicate<Object> test(Arguments arguments) {
        if (!arguments.hasNext()) {
            return Values::isTrue;
        }
        String name = arguments.nextText("test");
        Tests.Test test = Tests.find(name);
        List<Object> rest = arguments.rest();
        Map<String, Object> named = arguments.restNamed();
        Scope scope = arguments.scope();
        return item -> Tests.apply(name, test, item, new Arguments(scope, rest, named));
    }
}

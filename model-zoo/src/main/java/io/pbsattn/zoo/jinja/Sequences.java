package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;

/** What can be run over, and what has items by their index. */
final class Sequences {

    private Sequences() {}

    static boolean isIterable(Object value) {
        return Text.is(value)
                || value instanceof List
                || value instanceof Dict
                || value instanceof DictView
                || value instanceof Generator
                || value instanceof Loop
                || value instanceof Undefined;
    }

    /** What a loop or a filter runs over: items, keys, or characters. */
    static Iterator<Object> iterator(Object value, Budget budget) {
        Iterator<?> items;
        if (value instanceof List<?> list) {
            items = list.iterator();
        } else if (value instanceof Dict dict) {
            items = new DictView(DictView.Kind.KEYS, dict).items().iterator();
        } else if (value instanceof DictView view) {
            budget.items(view.dict().size());
            items = view.items().iterator();
        } else if (Text.is(value)) {
            items = characters(Text.of(value));
        } else if (value instanceof Generator generator) {
            items = generator;
        } else if (value instanceof Undefined) {
            items = Collections.emptyIterator();
        } else {
            throw new JinjaException("cannot run over " + Values.describe(value));
        }
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                budget.enter();
                boolean hasNext = items.hasNext();
                budget.leave();
                return hasNext;
            }

            @Override
            public Object next() {
                budget.enter();
                Object item = items.next();
                budget.leave();
                return item;
            }
        };
    }

    /** Characters are plain strings, of HTML too. */
    private static Iterator<Object> characters(String text) {
        return new Iterator<>() {
            private int at;

            @Override
            public boolean hasNext() {
                return at < text.length();
            }

            @Override
            public Object next() {
                int from = at;
                at += Character.charCount(text.codePointAt(at));
                return text.substring(from, at);
            }
        };
    }

    /** A new list of the items. */
    static List<Object> list(Object value, Budget budget) {
        List<Object> list = new ArrayList<>();
        Iterator<Object> items = iterator(value, budget);
        while (items.hasNext()) {
            budget.items(1);
            list.add(items.next());
        }
        return list;
    }

    /** The number of items, or -1 for what has none. */
    static long size(Object value) {
        if (Text.is(value)) {
            return Text.length(Text.of(value));
        } else if (value instanceof List<?> list) {
            return list.size();
        } else if (value instanceof Dict dict) {
            return dict.size();
        } else if (value instanceof DictView view) {
            return view.dict().size();
        } else if (value instanceof Loop loop) {
            return loop.length();
        }
        return value instanceof Undefined ? 0 : -1;
    }

    static long length(Object value, Budget budget) {
        long size = size(value);
        if (size < 0) {
            throw new JinjaException(Values.describe(value) + " has no length");
        }
        budget.scan(Text.is(value) ? size : 0);
        return size;
    }

    /** {@code value[index]} of a list or string, or {@link Attributes#MISSING}. */
    static Object item(Object value, Object index, Budget budget) {
        if (!Numbers.isInteger(index)) {
            return Attributes.MISSING;
        }
        long size = length(value, budget);
        long position = Numbers.index(index, "index");
        position += position < 0 ? size : 0;
        if (position < 0 || position >= size) {
            return Attributes.MISSING;
        } else if (value instanceof List<?> list) {
            return list.get((int) position);
        }
        String text = Text.of(value);
        int from = text.offsetByCodePoints(0, (int) position);
        return Text.like(value, text.substring(from, text.offsetByCodePoints(from, 1)));
    }

    /** {@code value[from:to:step]}; each of the three may be None. */
    static Object slice(Object value, Object from, Object to, Object stepOrNone, Budget budget) {
        if (!Text.is(value) && !(value instanceof List)) {
            throw value instanceof Undefined undefined
                    ? undefined.error()
                    : new JinjaException("cannot take a slice of " + Values.describe(value));
        }
        long size = length(value, budget);
        long step = stepOrNone == null ? 1 : Numbers.index(stepOrNone, "slice");
        if (step == 0) {
            throw new JinjaException("the step of a slice is zero");
        }
        step = Math.max(-Integer.MAX_VALUE, Math.min(Integer.MAX_VALUE, step));
        long low = step > 0 ? 0 : -1;
        long high = step > 0 ? size : size - 1;
        long start = bound(from, step > 0 ? low : high, size, low, high);
        long end = bound(to, step > 0 ? high : low, size, low, high);
        if (value instanceof Range range) {
            return Range.of(
                    range.start() + start * range.step(),
                    range.start() + end * range.step(),
                    range.step() * step);
        }
        long count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
        return slice(value, start, Math.max(0, count), step, budget);
    }

    private static long bound(Object given, long missing, long size, long low, long high) {
        if (given == null) {
            return missing;
        }
        long index = Numbers.index(given, "slice");
        return Math.max(low, Math.min(high, index < 0 ? index + size : index));
    }

    private static Object slice(Object value, long start, long count, long step, Budget budget) {
        if (value instanceof List<?> list) {
            budget.items(count);
            List<Object> items = new ArrayList<>((int) count);
            for (long i = 0; i < count; ++i) {
                items.add(list.get((int) (start + i * step)));
            }
            return value instanceof Tuple ? new Tuple(items) : items;
        }
        return Text.like(value, slice(Text.of(value), start, count, step, budget));
    }

    private static String slice(String text, long start, long count, long step, Budget budget) {
        budget.characters(count);
        budget.scan(text.length());
        if (step == 1) {
            int from = text.offsetByCodePoints(0, (int) start);
            return text.substring(from, text.offsetByCodePoints(from, (int) count));
        }
        budget.items(text.length());
        int[] characters = text.codePoints().toArray();
        StringBuilder result = new StringBuilder();
        for (long i = 0; i < count; ++i) {
            result.appendCodePoint(characters[(int) (start + i * step)]);
        }
        return result.toString();
    }
}

package io.pbsattn.zoo.jinja;

import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The functions that every template has. */
final class Functions {

    private static final Map<String, Callable> ALL =
            Map.of(
                    "range", Functions::range,
                    "dict", a -> dict(a.of("dict")),
                    "namespace", a -> new Namespace(dict(a.of("namespace"))),
                    "cycler", Functions::cycler,
                    "joiner", a -> new Joiner(a.of("joiner").take("sep", ", "), a),
                    "raise_exception", Functions::raise,
                    "strftime_now", Functions::now,
                    "lipsum", Functions::lipsum);

    private Functions() {}

    static Map<String, Callable> all() {
        return ALL;
    }

    private static Object range(Arguments arguments) {
        long first = arguments.of("range").nextInteger("stop");
        Object end = arguments.next("stop", Attributes.MISSING);
        Object step = arguments.next("step", 1L);
        arguments.end();
        return end == Attributes.MISSING
                ? Range.of(0, first, 1)
                : Range.of(first, Numbers.index(end, "range"), Numbers.index(step, "range"));
    }

    /** A dict of a dict or of pairs, and of named arguments. */
    private static Dict dict(Arguments arguments) {
        Dict dict = new Dict(arguments.budget());
        Object start = arguments.next("mapping", Attributes.MISSING);
        if (start instanceof Dict other) {
            dict.putAll(other);
        } else if (start != Attributes.MISSING) {
            for (Object item : Sequences.list(start, arguments.budget())) {
                List<Object> pair = Sequences.list(item, arguments.budget());
                if (pair.size() != 2) {
                    throw arguments.error("mapping", "expected pairs");
                }
                dict.put(pair.get(0), pair.get(1));
            }
        }
        arguments.restNamed().forEach(dict::put);
        arguments.end();
        return dict;
    }

    private static Object cycler(Arguments arguments) {
        List<Object> items = new ArrayList<>(arguments.of("cycler").rest());
        arguments.end();
        if (items.isEmpty()) {
            throw new JinjaException("cycler: expected arguments");
        }
        return new Cycler(items);
    }

    private static Object raise(Arguments arguments) {
        Object message = arguments.of("raise_exception").take("message");
        arguments.end();
        throw new JinjaException(Text.str(message, arguments.budget()));
    }

    private static Object now(Arguments arguments) {
        String format = arguments.of("strftime_now").text("format");
        arguments.end();
        ZonedDateTime time = ZonedDateTime.now(arguments.scope().rendering().clock());
        return Strftime.format(time, format, arguments.budget());
    }

    private static Object lipsum(Arguments arguments) {
        throw new JinjaException("lipsum: text at random is not supported");
    }

    /** Gives its items in turn. */
    private static final class Cycler implements HasAttributes {

        private final List<Object> items;
        private int position;

        Cycler(List<Object> items) {
            this.items = items;
        }

        @Override
        public Object attribute(String name) {
            return switch (name) {
                case "current" -> items.get(position);
                case "items" -> new Tuple(items);
                case "pos" -> (long) position;
                case "next" -> (Callable) arguments -> next(arguments.of("cycler.next"));
                case "reset" -> (Callable) arguments -> reset(arguments.of("cycler.reset"));
                default -> Attributes.MISSING;
            };
        }

        private Object next(Arguments arguments) {
            arguments.end();
            Object item = items.get(position);
            position = (position + 1) % items.size();
            return item;
        }

        private Object reset(Arguments arguments) {
            arguments.end();
            position = 0;
            return null;
        }
    }

    /** Gives nothing the first time, and a separator from then on. */
    private static final class Joiner implements Callable, HasAttributes {

        private final Object separator;
        private boolean used;

        Joiner(Object separator, Arguments arguments) {
            arguments.end();
            this.separator = separator;
        }

        @Override
        public Object call(Arguments arguments) {
            arguments.of("joiner").end();
            Object text = used ? separator : "";
            used = true;
            return text;
        }

        @Override
        public Object attribute(String name) {
            return switch (name) {
                case "sep" -> separator;
                case "used" -> used;
                default -> Attributes.MISSING;
            };
        }
    }
}

package io.pbsattn.zoo.jinja;

import java.time.Clock;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The functions that transformers and Jinja2 give templates. */
final class Functions {

    private static final int MAX_RANGE = 100_000;

    private Functions() {}

    static Map<String, Callable> all(Clock clock) {
        return Map.of(
                "range", (positional, named) -> range(positional),
                "dict", (positional, named) -> named("dict", positional, named),
                "namespace",
                        (positional, named) -> new Namespace(named("namespace", positional, named)),
                "raise_exception", Functions::raise,
                "strftime_now",
                        (positional, named) ->
                                Strftime.format(
                                        ZonedDateTime.now(clock),
                                        new Arguments("strftime_now", positional, named)
                                                .text("format")));
    }

    private static Object range(List<Object> arguments) {
        int count = arguments.size();
        if (count < 1 || count > 3) {
            throw new JinjaException("range: expected 1 to 3 arguments, found " + count);
        }
        long start = count == 1 ? 0 : Python.integer(arguments.get(0), "range");
        long end = Python.integer(arguments.get(count == 1 ? 0 : 1), "range");
        long step = count == 3 ? Python.integer(arguments.get(2), "range") : 1;
        if (step == 0 || Math.abs((end - start) / step) > MAX_RANGE) {
            throw new JinjaException("range: the step is zero, or there are too many numbers");
        }
        List<Object> numbers = new ArrayList<>();
        for (long i = start; step > 0 ? i < end : i > end; i += step) {
            numbers.add(i);
        }
        return numbers;
    }

    private static Map<String, Object> named(
            String function, List<Object> positional, Map<String, Object> named) {
        if (!positional.isEmpty()) {
            throw new JinjaException(function + ": expected arguments with names");
        }
        return named;
    }

    private static Object raise(List<Object> positional, Map<String, Object> named) {
        Arguments arguments = new Arguments("raise_exception", positional, named);
        throw new JinjaException(Python.text(arguments.take("message")));
    }
}

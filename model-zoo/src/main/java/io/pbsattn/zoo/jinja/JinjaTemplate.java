package io.pbsattn.zoo.jinja;

import java.time.Clock;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A template in the language of Jinja2, set up as transformers does for chat templates: {@code
 * trim_blocks}, {@code lstrip_blocks}, immutable values, {@code break} and {@code continue}, the
 * tag {@code generation}, the functions {@code raise_exception} and {@code strftime_now}, and
 * {@code tojson} in the form of Python's {@code json.dumps}.
 *
 * <p>What a template may use is what chat templates use; anything else is refused with its name and
 * line, never left out of the text. A template may be rendered by several threads at once.
 */
public final class JinjaTemplate {

    private final Statement root;
    private final Clock clock;

    private JinjaTemplate(Statement root, Clock clock) {
        this.root = root;
        this.clock = clock;
    }

    /**
     * Reads a template.
     *
     * @param source the template
     * @param clock what {@code strftime_now} tells
     * @return the template, ready to be rendered
     * @throws JinjaException if it is not well formed, or uses what is not supported
     */
    public static JinjaTemplate compile(String source, Clock clock) {
        return new JinjaTemplate(new StatementParser(Lexer.tokens(source)).parseTemplate(), clock);
    }

    /**
     * Writes the template's text.
     *
     * @param variables strings ({@link Text} or {@code String}, which counts as the template's
     *     own), numbers, booleans, nulls, lists and maps of them
     * @return the text, which knows what came from outside
     * @throws JinjaException if the template raises an exception or fails
     */
    public Text render(Map<String, ?> variables) {
        Scope globals = new Scope(null);
        globals.set("range", (Callable) (a, n) -> range(a));
        globals.set("dict", (Callable) (a, n) -> Python.value(n, false));
        globals.set("namespace", (Callable) (a, n) -> namespace(a, n));
        globals.set("joiner", (Callable) JinjaTemplate::joiner);
        globals.set("raise_exception", (Callable) JinjaTemplate::raise);
        globals.set("strftime_now", (Callable) this::strftimeNow);
        Scope scope = new Scope(globals);
        variables.forEach((name, value) -> scope.set(name, Python.value(value, false)));
        Text.Builder out = new Text.Builder();
        try {
            root.run(scope, out);
        } catch (StackOverflowError e) {
            throw new JinjaException("a macro calls itself without end");
        }
        return out.build();
    }

    /**
     * Makes a value whose strings all came from outside the template.
     *
     * @param value strings, numbers, booleans, nulls, lists and maps of them
     * @return the same value, to be passed to {@link #render}
     */
    public static Object outside(Object value) {
        return Python.value(value, true);
    }

    private static Object range(List<Object> arguments) {
        int count = arguments.size();
        if (count < 1 || count > 3) {
            throw new JinjaException("range: expected 1 to 3 arguments, found " + count);
        }
        long start = count == 1 ? 0 : Python.integer(arguments.get(0), "range");
        long end = Python.integer(arguments.get(count == 1 ? 0 : 1), "range");
        long step = count == 3 ? Python.integer(arguments.get(2), "range") : 1;
        if (step == 0 || Math.abs((end - start) / step) > 100_000) {
            throw new JinjaException("range: the step is zero, or there are too many numbers");
        }
        List<Object> numbers = new ArrayList<>();
        for (long i = start; step > 0 ? i < end : i > end; i += step) {
            numbers.add(i);
        }
        return numbers;
    }

    private static Object namespace(List<Object> arguments, Map<String, Object> named) {
        Namespace namespace = new Namespace(named);
        for (Object argument : arguments) {
            if (!(argument instanceof Map)) {
                throw new JinjaException("namespace: expected a mapping");
            }
            ((Map<?, ?>) argument).forEach((key, value) -> namespace.set(key.toString(), value));
        }
        return namespace;
    }

    private static Object joiner(List<Object> arguments, Map<String, Object> named) {
        Text separator = new Arguments("joiner", arguments, named).text("sep", ", ");
        boolean[] used = new boolean[1];
        return (Callable)
                (a, n) -> {
                    Text text = used[0] ? separator : Text.of("");
                    used[0] = true;
                    return text;
                };
    }

    private static Object raise(List<Object> arguments, Map<String, Object> named) {
        throw new JinjaException(
                Python.text(new Arguments("raise_exception", arguments, named).take("message"))
                        .toString());
    }

    private Object strftimeNow(List<Object> arguments, Map<String, Object> named) {
        String format = new Arguments("strftime_now", arguments, named).text("format").toString();
        return Text.of(Strftime.format(ZonedDateTime.now(clock), format));
    }
}

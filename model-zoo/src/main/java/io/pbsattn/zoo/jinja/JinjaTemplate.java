package io.pbsattn.zoo.jinja;

import java.time.Clock;
import java.util.Collections;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * A template in the language of Jinja2 3.1, set up as transformers does for chat templates: {@code
 * trim_blocks}, {@code lstrip_blocks}, immutable values, {@code break} and {@code continue}, the
 * tag {@code generation}, the functions {@code raise_exception} and {@code strftime_now}, and
 * {@code tojson} in the form of Python's {@code json.dumps}.
 *
 * <p>What is not supported is refused with its name and line, never left out of the text. A
 * template that takes too many steps or too much memory is refused too. A template may be rendered
 * by several threads at once.
 */
public final class JinjaTemplate {

    private final Body body;
    private final Map<String, Body> blocks;
    private final Set<String> strings = new HashSet<>();

    private JinjaTemplate(String source) {
        TemplateParser parser = new TemplateParser(source, strings);
        try {
            body = parser.template();
        } catch (StackOverflowError e) {
            throw smallStack().at(parser.line());
        }
        blocks = parser.blocks();
    }

    /**
     * Reads a template.
     *
     * @param source the template
     * @return the template, ready to be rendered
     * @throws JinjaException if it is not well formed, or uses what is not supported; names the
     *     line
     */
    public static JinjaTemplate compile(String source) {
        return new JinjaTemplate(source);
    }

    /**
     * The strings that stand in the template's tags and expressions.
     *
     * @return what it writes or compares with
     */
    public Set<String> strings() {
        return Collections.unmodifiableSet(strings);
    }

    /**
     * Writes the template's text.
     *
     * @param variables strings, numbers, booleans, nulls, lists and maps of them
     * @param clock what {@code strftime_now} tells
     * @return the text
     * @throws JinjaException if the template raises an exception or fails, or takes too many steps
     *     or too much memory; names the line
     */
    public String render(Map<String, ?> variables, Clock clock) {
        return render(variables, clock, Budget.ofHeap());
    }

    String render(Map<String, ?> variables, Clock clock, Budget budget) {
        Rendering rendering = new Rendering(budget, clock, new Random(clock.millis()), blocks);
        Scope scope = new Scope(rendering);
        Functions.all().forEach(scope::set);
        variables.forEach((name, value) -> scope.set(name, Values.of(value, budget)));
        scope.set("self", new Blocks(scope));
        try {
            return body.text(scope);
        } catch (StackOverflowError e) {
            throw smallStack().at(budget.line());
        }
    }

    /** A usual thread's stack is large enough for all that is allowed. */
    private static JinjaException smallStack() {
        return new JinjaException("the thread's stack is too small for the template");
    }
}

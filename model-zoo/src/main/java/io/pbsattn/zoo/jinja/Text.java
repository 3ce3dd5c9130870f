package io.pbsattn.zoo.jinja;

import java.util.List;
import java.util.function.UnaryOperator;

/** Strings, which are Java's or {@link Markup}. */
final class Text {

    private Text() {}

    static boolean is(Object value) {
        return value instanceof String || value instanceof Markup;
    }

    /** The characters of a string. */
    static String of(Object text) {
        return text instanceof Markup markup ? markup.text() : (String) text;
    }

    /** A string of the same kind. */
    static Object like(Object text, String changed) {
        return text instanceof Markup ? new Markup(changed) : changed;
    }

    /** A string as it is, and the text of any other value. */
    static Object soft(Object value, Budget budget) {
        return is(value) ? value : str(value, budget);
    }

    static Object markup(Object text) {
        return text instanceof Markup ? text : new Markup(of(text));
    }

    /** {@code str(value)}; nothing for what is undefined. */
    static String str(Object value, Budget budget) {
        if (is(value)) {
            return of(value);
        }
        return value instanceof Undefined ? "" : Repr.of(value, budget);
    }

    /** What a value looks like in a template's text. */
    static String written(Object value, Scope scope) {
        return scope.escapes() ? Markup.escape(value, scope.budget()) : str(value, scope.budget());
    }

    /** The operator {@code ~}. */
    static Object join(List<Object> values, Scope scope) {
        boolean escapes = scope.escapes() && values.stream().anyMatch(Markup.class::isInstance);
        return join("", values, escapes, scope.budget());
    }

    /** Joins values; as HTML if they are to be escaped. */
    static Object join(Object separator, List<Object> values, boolean escapes, Budget budget) {
        UnaryOperator<Object> text =
                value -> escapes ? Markup.escape(value, budget) : str(value, budget);
        TextBuilder out = new TextBuilder(budget);
        String between = (String) text.apply(separator);
        for (int i = 0; i < values.size(); ++i) {
            out.append(i == 0 ? "" : between).append((String) text.apply(values.get(i)));
        }
        return escapes ? new Markup(out.toString()) : out.toString();
    }

    /** The number of characters as Python counts them. */
    static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    /** The index of a character as Java counts them; the text's end for those behind it. */
    static int index(String text, long position) {
        return position >= length(text)
                ? text.length()
                : text.offsetByCodePoints(0, (int) position);
    }
}

package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The arguments of a call, taken by position or by name; an argument that nobody takes is an error.
 */
final class Arguments {

    private final String function;
    private final List<Object> positional;
    private final Map<String, Object> named;
    private final Set<String> unused;
    private int next;

    Arguments(String function, List<Object> positional, Map<String, Object> named) {
        this.function = function;
        this.positional = positional;
        this.named = named;
        unused = new LinkedHashSet<>(named.keySet());
    }

    /** Takes the next argument, or the one of that name. */
    Object take(String name, Object missing) {
        if (next < positional.size()) {
            return positional.get(next++);
        }
        return takeNamed(name, missing);
    }

    /** Takes an argument that has no position. */
    Object takeNamed(String name, Object missing) {
        return unused.remove(name) ? named.get(name) : missing;
    }

    Object take(String name) {
        if (next >= positional.size() && !unused.contains(name)) {
            throw new JinjaException(function + ": argument '" + name + "' is missing");
        }
        return take(name, null);
    }

    String text(String name) {
        return asText(name, take(name));
    }

    String text(String name, String missing) {
        return asText(name, take(name, missing));
    }

    long integer(String name, long missing) {
        return Python.integer(take(name, missing), function + ": argument '" + name + "'");
    }

    boolean flag(String name, boolean missing) {
        return Python.isTrue(take(name, missing));
    }

    boolean hasNext() {
        return next < positional.size();
    }

    /** Takes all that have a position and are left. */
    List<Object> rest() {
        List<Object> rest = new ArrayList<>(positional.subList(next, positional.size()));
        next = positional.size();
        return rest;
    }

    /** Ends the taking. */
    void end() {
        if (next < positional.size() || !unused.isEmpty()) {
            throw new JinjaException(
                    function
                            + ": unexpected argument "
                            + (unused.isEmpty()
                                    ? String.valueOf(next + 1)
                                    : "'" + unused.iterator().next() + "'"));
        }
    }

    private String asText(String name, Object value) {
        if (value instanceof String text) {
            return text;
        }
        throw new JinjaException(
                function
                        + ": argument '"
                        + name
                        + "': expected a string, found "
                        + Python.typeName(value));
    }
}

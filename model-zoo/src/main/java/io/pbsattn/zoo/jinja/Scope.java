package io.pbsattn.zoo.jinja;

import java.util.HashMap;
import java.util.Map;

/** Variables, and those of the scopes around them. */
final class Scope {

    private final Rendering rendering;
    private final Scope outer;
    private final boolean escapes;
    private final Map<String, Object> variables = new HashMap<>();

    /** The outermost scope. */
    Scope(Rendering rendering) {
        this.rendering = rendering;
        outer = null;
        escapes = false;
    }

    private Scope(Scope outer, boolean escapes) {
        rendering = outer.rendering;
        this.outer = outer;
        this.escapes = escapes;
    }

    Scope inner() {
        return new Scope(this, escapes);
    }

    /** A scope in which what is written is escaped for HTML, or is not. */
    Scope inner(boolean escapesHtml) {
        return new Scope(this, escapesHtml);
    }

    /** The scope of the template itself, which its blocks see. */
    Scope outermost() {
        Scope scope = this;
        while (scope.outer != null) {
            scope = scope.outer;
        }
        return scope;
    }

    Rendering rendering() {
        return rendering;
    }

    Budget budget() {
        return rendering.budget();
    }

    boolean escapes() {
        return escapes;
    }

    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.outer) {
            Object value = scope.variables.get(name);
            if (value != null || scope.variables.containsKey(name)) {
                return value;
            }
        }
        return new Undefined("'" + name + "' is undefined");
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }

    /** What is written or captured here: marked as HTML where it has been escaped. */
    Object captured(String text) {
        return escapes ? new Markup(text) : text;
    }
}

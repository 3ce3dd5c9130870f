package io.pbsattn.zoo.jinja;

import java.util.HashMap;
import java.util.Map;

/** Variables: what is set in an inner scope ends with it. */
final class Scope {

    private final Scope outer;
    private final Map<String, Object> variables = new HashMap<>();

    Scope(Scope outer) {
        this.outer = outer;
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
}

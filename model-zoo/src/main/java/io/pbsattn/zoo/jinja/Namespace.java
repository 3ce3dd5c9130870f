package io.pbsattn.zoo.jinja;

import java.util.HashMap;
import java.util.Map;

/** Variables that a template may set from within a loop: {@code namespace(found=false)}. */
final class Namespace {

    private final Map<String, Object> values;

    Namespace(Map<String, Object> values) {
        this.values = new HashMap<>(values);
    }

    Object get(String name) {
        return values.containsKey(name)
                ? values.get(name)
                : new Undefined("the namespace has no attribute '" + name + "'");
    }

    void set(String name, Object value) {
        values.put(name, value);
    }
}

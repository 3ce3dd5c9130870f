package io.pbsattn.zoo.jinja;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.NullValue;
import java.util.function.Supplier;

/** Variables in jinjava's scopes, in which Java's null means that there is no such variable. */
final class Variables {

    private Variables() {}

    static Object get(JinjavaInterpreter interpreter, String name) {
        Object value = interpreter.getContext().get(name);
        if (value == null) {
            return new Undefined("'" + name + "' is undefined");
        }
        return value instanceof NullValue ? null : value;
    }

    static void set(JinjavaInterpreter interpreter, String name, Object value) {
        interpreter.getContext().put(name, value == null ? NullValue.INSTANCE : value);
    }

    /** Does something in a scope of its own. */
    static <T> T inScope(JinjavaInterpreter interpreter, Supplier<T> action) {
        interpreter.enterScope();
        try {
            return action.get();
        } finally {
            interpreter.leaveScope();
        }
    }
}

package io.pbsattn.zoo.jinja;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;

/**
 * Follows which special names a template's macros and loops use while it is parsed: a macro takes
 * {@code caller}, {@code kwargs} and {@code varargs} only if its body reads them, and a loop's
 * {@code loop} cannot be set.
 */
final class NameUses {

    private static final Set<String> SPECIAL = Set.of("caller", "kwargs", "varargs");

    private final Deque<Uses> macros = new ArrayDeque<>();
    private int loops;

    /** What a macro's body does with special names. */
    private record Uses(Set<String> read, Set<String> set) {}

    void read(String name) {
        if (SPECIAL.contains(name)) {
            macros.forEach(
                    macro -> {
                        if (!macro.set.contains(name)) {
                            macro.read.add(name);
                        }
                    });
        }
    }

    void set(String name) {
        macros.forEach(macro -> macro.set.add(name));
        if (loops > 0 && name.equals("loop")) {
            throw new JinjaException("'loop' cannot be set in a loop");
        }
    }

    /** A macro's parameter hides what is outside, as a variable that is set does. */
    void parameter(String name) {
        macros.forEach(macro -> macro.set.add(name));
    }

    void beginMacro() {
        macros.push(new Uses(new HashSet<>(), new HashSet<>()));
    }

    /** The special names that the macro reads. */
    Set<String> endMacro() {
        return macros.pop().read;
    }

    void beginLoop() {
        ++loops;
    }

    void endLoop() {
        --loops;
    }
}

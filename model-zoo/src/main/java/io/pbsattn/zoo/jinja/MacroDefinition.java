package io.pbsattn.zoo.jinja;

import java.util.List;
import java.util.Set;

/**
 * A macro as it is written.
 *
 * @param name its name, or null for the body of a tag {@code call}
 * @param parameters its parameters
 * @param body what it writes
 * @param special which of {@code caller}, {@code kwargs} and {@code varargs} it reads
 */
record MacroDefinition(String name, List<Parameter> parameters, Body body, Set<String> special) {

    /**
     * A parameter.
     *
     * @param name its name
     * @param missing its value if there is no argument, or null
     */
    record Parameter(String name, Expression missing) {}
}

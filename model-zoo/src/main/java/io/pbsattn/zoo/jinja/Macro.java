package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;

/**
 * A macro that can be called.
 *
 * @param definition how it is written
 * @param outer the scope it is written in
 */
record Macro(MacroDefinition definition, Scope outer) implements Callable, HasAttributes {

    /** {@inheritDoc} */
    @Override
    public Object call(Arguments arguments) {
        arguments.of(definition.name() == null ? "caller" : definition.name());
        Scope scope = outer.inner();
        List<MacroDefinition.Parameter> missing = new ArrayList<>();
        for (MacroDefinition.Parameter parameter : definition.parameters()) {
            Object given = arguments.take(parameter.name(), Attributes.MISSING);
            if (given == Attributes.MISSING) {
                given = new Undefined("parameter '" + parameter.name() + "' was not provided");
                missing.add(parameter);
            }
            scope.set(parameter.name(), given);
        }
        special(arguments, scope);
        arguments.end();
        for (MacroDefinition.Parameter parameter : missing) {
            if (parameter.missing() != null) {
                scope.set(parameter.name(), parameter.missing().evaluate(scope));
            }
        }
        return arguments.scope().captured(definition.body().text(scope));
    }

    private void special(Arguments arguments, Scope scope) {
        if (definition.special().contains("caller")) {
            Object caller = arguments.takeNamed("caller", null);
            scope.set("caller", caller == null ? new Undefined("there is no caller") : caller);
        }
        if (definition.special().contains("kwargs")) {
            Dict named = new Dict(scope.budget());
            arguments.restNamed().forEach(named::put);
            scope.set("kwargs", named);
        }
        if (definition.special().contains("varargs")) {
            scope.set("varargs", new Tuple(arguments.rest()));
        }
    }

    /** {@inheritDoc} */
    @Override
    public Object attribute(String name) {
        return switch (name) {
            case "name" -> definition.name();
            case "arguments" -> {
                List<Object> names = new ArrayList<>();
                definition.parameters().forEach(parameter -> names.add(parameter.name()));
                yield new Tuple(names);
            }
            case "catch_kwargs" -> definition.special().contains("kwargs");
            case "catch_varargs" -> definition.special().contains("varargs");
            case "caller" -> definition.special().contains("caller");
            default -> Attributes.MISSING;
        };
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        String name = definition.name();
        return "<Macro " + (name == null ? "anonymous" : "'" + name + "'") + ">";
    }
}

package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * The arguments of a call, taken one after another by position or by name; an argument that nobody
 * takes is an error.
 */
final class Arguments {

    private final Scope scope;
    private final List<Object> positional;
    private final Map<String, Object> named;
    private String function = "call";
    private int next;

    Arguments(Scope scope, List<Object> positional, Map<String, Object> named) {
        this.scope = scope;
        this.positional = positional;
        this.named = new LinkedHashMap<>(named);
    }

    /** The same, which errors call arguments of a function. */
    Arguments of(String functionName) {
        function = functionName;
        return this;
    }

    Arguments with(String name, Object value) {
        if (named.put(name, value) != null) {
            throw error(name, "is given twice");
        }
        return this;
    }

    /** Arguments with other values. */
    Arguments map(UnaryOperator<Object> change) {
        List<Object> values = new ArrayList<>();
        positional.subList(next, positional.size()).forEach(v -> values.add(change.apply(v)));
        Map<String, Object> byName = new LinkedHashMap<>(named);
        byName.replaceAll((name, value) -> change.apply(value));
        return new Arguments(scope, values, byName).of(function);
    }

    Scope scope() {
        return scope;
    }

    Budget budget() {
        return scope.budget();
    }

    /** Takes the next argument, or the one of that name. */
    Object take(String name, Object missing) {
        return hasNext() ? positional.get(next++) : takeNamed(name, missing);
    }

    Object take(String name) {
        return required(name, take(name, Attributes.MISSING));
    }

    /** Takes the next argument, which cannot be named. */
    Object next(String what, Object missing) {
        return hasNext() ? positional.get(next++) : missing;
    }

    Object next(String what) {
        return required(what, next(what, Attributes.MISSING));
    }

    /** Takes an argument that has no position. */
    Object takeNamed(String name, Object missing) {
        return named.containsKey(name) ? named.remove(name) : missing;
    }

    private Object required(String name, Object value) {
        if (value == Attributes.MISSING) {
            throw error(name, "is missing");
        }
        return value;
    }

    String text(String name) {
        return asText(name, take(name));
    }

    String text(String name, String missing) {
        return asText(name, take(name, missing));
    }

    String nextText(String what) {
        return asText(what, next(what));
    }

    long integer(String name, long missing) {
        return asInteger(name, take(name, missing));
    }

    long nextInteger(String what) {
        return asInteger(what, next(what));
    }

    boolean flag(String name, boolean missing) {
        return Values.isTrue(take(name, missing));
    }

    boolean hasNext() {
        return next < positional.size();
    }

    boolean hasNamed() {
        return !named.isEmpty();
    }

    /** Takes all that have a position and are left. */
    List<Object> rest() {
        List<Object> rest = new ArrayList<>(positional.subList(next, positional.size()));
        next = positional.size();
        return rest;
    }

    /** Takes all that have a name and are left. */
    Map<String, Object> restNamed() {
        Map<String, Object> rest = new LinkedHashMap<>(named);
        named.clear();
        return rest;
    }

    /** Ends the taking, and gives a result. */
    <T> T end(T result) {
        end();
        return result;
    }

    /** Ends the taking. */
    void end() {
        if (hasNext()) {
            throw new JinjaException(function + ": more than " + next + " arguments");
        }
        for (String name : named.keySet()) {
            throw error(name, "is not expected");
        }
    }

    String asText(String name, Object value) {
        if (Text.is(value)) {
            return Text.of(value);
        }
        throw error(name, "expected a string, found " + Values.describe(value));
    }

    private long asInteger(String name, Object value) {
        return Numbers.index(value, function + ": argument '" + name + "'");
    }

    JinjaException error(String name, String what) {
        return new JinjaException(function + ": argument '" + name + "' " + what);
    }
}

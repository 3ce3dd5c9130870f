package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The arguments that stand in a call.
 *
 * @param positional those without a name
 * @param named those with a name
 * @param list what stands behind {@code *}, or null
 * @param dict what stands behind {@code **}, or null
 */
record CallArguments(
        List<Expression> positional,
        Map<String, Expression> named,
        Expression list,
        Expression dict) {

    static final CallArguments NONE = new CallArguments(List.of(), Map.of(), null, null);

    Arguments evaluate(Scope scope) {
        List<Object> values = new ArrayList<>();
        for (Expression expression : positional) {
            values.add(expression.evaluate(scope));
        }
        Map<String, Object> byName = new LinkedHashMap<>();
        named.forEach((name, expression) -> byName.put(name, expression.evaluate(scope)));
        if (list != null) {
            values.addAll(Sequences.list(list.evaluate(scope), scope.budget()));
        }
        if (dict != null) {
            spread(dict.evaluate(scope), byName);
        }
        return new Arguments(scope, values, byName);
    }

    private static void spread(Object value, Map<String, Object> byName) {
        if (!(value instanceof Dict entries)) {
            throw new JinjaException("'**': expected a dict, found " + Values.describe(value));
        }
        entries.forEach(
                (key, item) -> {
                    if (!Text.is(key)) {
                        throw new JinjaException("'**': expected keys that are strings");
                    }
                    if (byName.put(Text.of(key), item) != null) {
                        throw new JinjaException("argument '" + Text.of(key) + "' is given twice");
                    }
                });
    }

    /** All expressions, for the height of the call. */
    Expression[] parts(Expression callee) {
        List<Expression> parts = new ArrayList<>(positional);
        parts.addAll(named.values());
        parts.add(list);
        parts.add(dict);
        parts.add(callee);
        return parts.toArray(Expression[]::new);
    }
}

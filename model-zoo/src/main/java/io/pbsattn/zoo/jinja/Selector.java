package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;

/**
 * What a filter's argument {@code attribute} takes of an item: {@code a.b.0} is {@code
 * item['a']['b'][0]}, and nothing is the item.
 */
final class Selector {

    private final List<Object> keys;
    private final Object missing;
    private final boolean foldsCase;
    private final Scope scope;

    private Selector(List<Object> keys, Object missing, boolean foldsCase, Scope scope) {
        this.keys = keys;
        this.missing = missing;
        this.foldsCase = foldsCase;
        this.scope = scope;
    }

    /**
     * Reads the argument.
     *
     * @param attribute names with dots between, an index, or null
     * @param missing what is taken for what is undefined, or null for that itself
     * @param foldsCase whether large and small letters are the same
     * @param scope where the filter is called
     */
    static Selector of(Object attribute, Object missing, boolean foldsCase, Scope scope) {
        List<Object> keys = new ArrayList<>();
        if (Text.is(attribute)) {
            String names = Text.of(attribute);
            for (Object name : names.split("\\.", -1)) {
                keys.add(key((String) name, scope.budget()));
            }
        } else if (attribute != null) {
            keys.add(attribute);
        }
        return new Selector(keys, missing, foldsCase, scope);
    }

    private static Object key(String name, Budget budget) {
        boolean isIndex = !name.isEmpty() && name.codePoints().allMatch(Characters::isDigit);
        if (!isIndex) {
            return name;
        }
        Object index = NumberText.integer(name, 10, budget);
        if (index == null) {
            throw new JinjaException("'" + name + "' is no index");
        }
        return index;
    }

    /** Reads several arguments with commas between. */
    static List<Selector> list(Object attribute, boolean foldsCase, Scope scope) {
        List<Selector> selectors = new ArrayList<>();
        if (Text.is(attribute)) {
            for (String part : Text.of(attribute).split(",", -1)) {
                selectors.add(of(part, null, foldsCase, scope));
            }
        } else {
            selectors.add(of(attribute, null, foldsCase, scope));
        }
        return selectors;
    }

    Object of(Object item) {
        Object value = item;
        for (Object key : keys) {
            value = Attributes.item(value, key, scope);
            value = value instanceof Undefined && missing != null ? missing : value;
        }
        return foldsCase ? folded(value, scope.budget()) : value;
    }

    private static Object folded(Object value, Budget budget) {
        if (!Text.is(value)) {
            return value;
        }
        budget.characters(Text.of(value).length());
        return Characters.lower(Text.of(value));
    }
}

package io.pbsattn.zoo.jinja;

import java.util.AbstractMap.SimpleImmutableEntry;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/** Python's dict: keys in the order they came, equal as Python's values are. */
final class Dict {

    private final Map<Object, Map.Entry<Object, Object>> entries = new LinkedHashMap<>();
    private final Budget budget;

    Dict(Budget budget) {
        this.budget = budget;
    }

    private Object hash(Object key) {
        Object hash = Equality.key(key, budget);
        if (hash == Attributes.MISSING) {
            throw new JinjaException(Values.describe(key) + " cannot be a key");
        }
        return hash;
    }

    /** Sets a value; a key that is there already stays as it was written. */
    void put(Object key, Object value) {
        Object hash = hash(key);
        Map.Entry<Object, Object> before = entries.get(hash);
        if (before == null) {
            budget.items(1);
        }
        entries.put(
                hash, new SimpleImmutableEntry<>(before == null ? key : before.getKey(), value));
    }

    void putAll(Dict other) {
        other.forEach(this::put);
    }

    boolean has(Object key) {
        return entries.containsKey(hash(key));
    }

    /** The value of a key, or another value if there is no such key. */
    Object getOr(Object key, Object missing) {
        Map.Entry<Object, Object> entry = entries.get(hash(key));
        return entry == null ? missing : entry.getValue();
    }

    /** The value of a key, or {@link Attributes#MISSING}, even for what cannot be a key. */
    Object find(Object key) {
        Map.Entry<Object, Object> entry = entries.get(Equality.key(key, budget));
        return entry == null ? Attributes.MISSING : entry.getValue();
    }

    int size() {
        return entries.size();
    }

    Collection<Map.Entry<Object, Object>> entries() {
        return entries.values();
    }

    void forEach(BiConsumer<Object, Object> action) {
        entries.values().forEach(entry -> action.accept(entry.getKey(), entry.getValue()));
    }
}

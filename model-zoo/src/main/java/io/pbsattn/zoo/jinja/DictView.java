package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;

/**
 * What {@code dict.keys()}, {@code values()} and {@code items()} give: neither a list nor an
 * iterator.
 *
 * @param kind which of the three
 * @param dict the dict
 */
record DictView(Kind kind, Dict dict) {

    /** What is seen of a dict. */
    enum Kind {
        KEYS("dict_keys(["),
        VALUES("dict_values(["),
        ITEMS("dict_items([");

        private final String prefix;

        Kind(String prefix) {
            this.prefix = prefix;
        }

        /** How its text begins. */
        String prefix() {
            return prefix;
        }
    }

    List<Object> items() {
        List<Object> items = new ArrayList<>(dict.size());
        dict.forEach(
                (key, value) ->
                        items.add(
                                switch (kind) {
                                    case KEYS -> key;
                                    case VALUES -> value;
                                    case ITEMS -> Tuple.of(key, value);
                                }));
        return items;
    }
}

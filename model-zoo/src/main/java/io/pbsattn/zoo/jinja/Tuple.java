package io.pbsattn.zoo.jinja;

import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;

/** A list that is written with round brackets. */
class Tuple extends AbstractList<Object> {

    private final List<Object> items;

    Tuple(List<Object> items) {
        this.items = items;
    }

    static Tuple of(Object... items) {
        return new Tuple(Arrays.asList(items));
    }

    /** {@inheritDoc} */
    @Override
    public Object get(int index) {
        return items.get(index);
    }

    /** {@inheritDoc} */
    @Override
    public int size() {
        return items.size();
    }
}

package io.pbsattn.zoo.jinja;

import java.util.AbstractList;
import java.util.List;

/** A list that is written with round brackets. */
final class Tuple extends AbstractList<Object> {

    private final List<Object> items;

    Tuple(List<Object> items) {
        this.items = items;
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

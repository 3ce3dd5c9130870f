package io.pbsattn.zoo.jinja;

import java.util.Iterator;

/**
 * Python's iterators, such as the filters {@code map} and {@code select} give: their items can be
 * taken once, and are made when they are taken.
 */
final class Generator implements Iterator<Object> {

    private final Iterator<?> items;

    Generator(Iterator<?> items) {
        this.items = items;
    }

    /** {@inheritDoc} */
    @Override
    public boolean hasNext() {
        return items.hasNext();
    }

    /** {@inheritDoc} */
    @Override
    public Object next() {
        return items.next();
    }
}

package io.pbsattn.zoo.jinja;

import java.util.Arrays;
import java.util.List;

/** A group of the filter {@code groupby}. */
final class Group extends Tuple implements HasAttributes {

    Group(Object grouper, List<Object> items) {
        super(Arrays.asList(grouper, items));
    }

    /** {@inheritDoc} */
    @Override
    public Object attribute(String name) {
        return switch (name) {
            case "grouper" -> get(0);
            case "list" -> get(1);
            default -> Attributes.listMethod(this, name);
        };
    }
}

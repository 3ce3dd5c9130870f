package io.pbsattn.zoo.jinja;

/**
 * What {@code namespace()} makes: attributes that a template can set from any scope.
 *
 * @param attributes the attributes by their names
 */
record Namespace(Dict attributes) implements HasAttributes {

    /** {@inheritDoc} */
    @Override
    public Object attribute(String name) {
        return attributes.getOr(name, Attributes.MISSING);
    }

    void set(String name, Object value) {
        attributes.put(name, value);
    }
}

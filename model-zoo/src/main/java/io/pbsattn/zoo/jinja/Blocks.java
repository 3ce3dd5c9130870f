package io.pbsattn.zoo.jinja;

/**
 * The variable {@code self}, whose attributes are the template's blocks.
 *
 * @param outermost the template's scope
 */
record Blocks(Scope outermost) implements HasAttributes {

    /** {@inheritDoc} */
    @Override
    public Object attribute(String name) {
        Body block = outermost.rendering().blocks().get(name);
        return block == null ? Attributes.MISSING : (Callable) arguments -> write(block, arguments);
    }

    private Object write(Body block, Arguments arguments) {
        arguments.of("block").end();
        return arguments.scope().captured(block.text(outermost.inner()));
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return "<TemplateReference None>";
    }
}

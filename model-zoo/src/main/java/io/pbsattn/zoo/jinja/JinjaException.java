package io.pbsattn.zoo.jinja;

/** Says what is wrong with a template, and in which of its lines. */
public class JinjaException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    /** Whether the message names the line. */
    private final boolean located;

    /**
     * Constructs the exception.
     *
     * @param message what is wrong
     */
    public JinjaException(String message) {
        super(message);
        located = false;
    }

    private JinjaException(String message, Throwable cause, boolean located) {
        super(message, cause);
        this.located = located;
    }

    /** A template's error; any other is a fault of this package, and named as such. */
    static JinjaException of(RuntimeException e) {
        return e instanceof JinjaException jinja
                ? jinja
                : new JinjaException("unexpected " + e, e, false);
    }

    /** The same with the line, unless an inner expression has named it already. */
    JinjaException at(int line) {
        return located
                ? this
                : new JinjaException("line " + line + ": " + getMessage(), this, true);
    }
}

package io.pbsattn.zoo.jinja;

/**
 * A piece of a template.
 *
 * @param kind what it is
 * @param text what it says: template text, a name, an operator, a number as written, or what a
 *     string literal stands for
 * @param line where it begins
 */
record Token(Kind kind, String text, int line) {

    /** The kinds of pieces. */
    enum Kind {
        DATA,
        VARIABLE_BEGIN,
        VARIABLE_END,
        BLOCK_BEGIN,
        BLOCK_END,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean is(Kind other) {
        return kind == other;
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    /** The token for error messages. */
    String describe() {
        return switch (kind) {
            case DATA -> "text";
            case VARIABLE_END -> "'}}'";
            case BLOCK_END -> "'%}'";
            case STRING -> "a string";
            case END -> "the end of the template";
            default -> "'" + text + "'";
        };
    }
}

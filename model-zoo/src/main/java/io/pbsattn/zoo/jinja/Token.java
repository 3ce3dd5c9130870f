package io.pbsattn.zoo.jinja;

/**
 * A piece of a template.
 *
 * @param kind what it is
 * @param text the data, the name, the operator, or the string without quotes
 * @param line where it stands, from 1
 */
record Token(Kind kind, String text, int line) {

    enum Kind {
        /** Text that is written as it is. */
        DATA,
        /** Opens or closes a tag or an expression. */
        BLOCK_BEGIN,
        BLOCK_END,
        VARIABLE_BEGIN,
        VARIABLE_END,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean is(Kind expected, String expectedText) {
        return kind == expected && text.equals(expectedText);
    }

    /** How errors show it. */
    String shown() {
        return switch (kind) {
            case END -> "the end of the template";
            case BLOCK_END -> "'%}'";
            case VARIABLE_END -> "'}}'";
            default -> "'" + text + "'";
        };
    }
}

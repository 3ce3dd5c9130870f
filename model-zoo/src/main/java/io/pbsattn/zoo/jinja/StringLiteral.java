package io.pbsattn.zoo.jinja;

/** Reads the escapes of a string literal as Python's codec {@code unicode-escape} does. */
final class StringLiteral {

    private static final String PLAIN = "abfnrtv\\'\"";
    private static final String MEANT = "\u0007\b\f\n\r\t\u000b\\'\"";

    private final String literal;
    private final StringBuilder text = new StringBuilder();
    private int at;

    private StringLiteral(String literal) {
        this.literal = literal;
    }

    /**
     * What a literal stands for.
     *
     * @param literal what is between the quotes
     */
    static String read(String literal) {
        return literal.indexOf('\\') < 0 ? literal : new StringLiteral(literal).read();
    }

    private String read() {
        while (at < literal.length()) {
            char c = literal.charAt(at++);
            if (c == '\\') {
                escape(literal.charAt(at++));
            } else {
                text.append(c);
            }
        }
        return text.toString();
    }

    private void escape(char c) {
        int plain = PLAIN.indexOf(c);
        if (plain >= 0) {
            text.append(MEANT.charAt(plain));
        } else if (c >= '0' && c <= '7') {
            octal();
        } else if (c == 'x') {
            text.appendCodePoint(hex(2));
        } else if (c == 'u') {
            text.appendCodePoint(hex(4));
        } else if (c == 'U') {
            text.appendCodePoint(hex(8));
        } else if (c == 'N') {
            named();
        } else if (c > '\u007f') {
            foreign();
        } else if (c != '\n') {
            text.append('\\').append(c);
        }
    }

    private void octal() {
        int from = --at;
        int code = 0;
        while (at < literal.length()
                && at < from + 3
                && "01234567".indexOf(literal.charAt(at)) >= 0) {
            code = code * 8 + literal.charAt(at++) - '0';
        }
        text.appendCodePoint(code);
    }

    private int hex(int digits) {
        int code = 0;
        for (int i = 0; i < digits; ++i) {
            int digit = at < literal.length() ? Character.digit(literal.charAt(at), 16) : -1;
            if (digit < 0 || literal.charAt(at) > 'f' || code > Character.MAX_CODE_POINT >> 4) {
                throw new JinjaException("a string has a broken escape of hexadecimal digits");
            }
            code = code * 16 + digit;
            ++at;
        }
        if (!Characters.isCharacter(code)) {
            throw new JinjaException("a string has an escape that is no character");
        }
        return code;
    }

    private void named() {
        int end = literal.indexOf('}', at);
        if (end < 0 || literal.charAt(at) != '{') {
            throw new JinjaException("a string has a broken escape \\N{...}");
        }
        try {
            text.appendCodePoint(Character.codePointOf(literal.substring(at + 1, end)));
        } catch (IllegalArgumentException e) {
            throw new JinjaException("a string has an escape \\N{...} of an unknown character");
        }
        at = end + 1;
    }

    /** Jinja2 writes such characters as escapes first, and the backslash takes theirs. */
    private void foreign() {
        int code = literal.codePointAt(--at);
        at += Character.charCount(code);
        text.append('\\').append(code < 0x100 ? "x" : code < 0x10000 ? "u" : "U");
        text.append(String.format(code < 0x100 ? "%02x" : code < 0x10000 ? "%04x" : "%08x", code));
    }
}

package io.pbsattn.zoo.jinja;

import io.pbsattn.zoo.jinja.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Cuts a template into tokens, with Jinja2's white space control: {@code trim_blocks}, {@code
 * lstrip_blocks}, and the signs {@code -} and {@code +} of tags.
 */
final class Lexer {

    /** The longest template, in characters; those of models have some thousands. */
    static final int LONGEST = 1 << 20;

    private static final List<String> OPERATORS =
            List.of(
                    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(",
                    ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";");
    private static final String OPENING = "([{";
    private static final String CLOSING = ")]}";

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;

    /** Whether what has been read ends with a newline. */
    private boolean atLineStart = true;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokens(String template) {
        if (template.length() > LONGEST) {
            throw new JinjaException("a template of more than " + LONGEST + " characters").at(1);
        }
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        if (source.endsWith("\n")) {
            source = source.substring(0, source.length() - 1);
        }
        return new Lexer(source).read();
    }

    private List<Token> read() {
        while (at < source.length()) {
            int tag = nextTag();
            if (tag < 0) {
                add(Kind.DATA, source.substring(at));
                moveTo(source.length());
                break;
            }
            tag(tag);
        }
        tokens.add(new Token(Kind.END, "", line));
        return tokens;
    }

    private int nextTag() {
        int start = source.indexOf('{', at);
        while (start >= 0
                && (start + 1 == source.length()
                        || !"%{#".contains(source.substring(start + 1, start + 2)))) {
            start = source.indexOf('{', start + 1);
        }
        return start;
    }

    private void tag(int start) {
        char kind = source.charAt(start + 1);
        char sign = sign(start + 2);
        text(start, kind == '{' && sign == ' ' ? '+' : sign);
        int raw = kind == '%' ? rawBegin(start) : -1;
        if (raw >= 0) {
            moveTo(raw);
            raw();
            return;
        }
        moveTo(start + (sign == ' ' ? 2 : 3));
        if (kind == '#') {
            comment();
        } else {
            code(kind == '%');
        }
    }

    /** The sign at an index, or a blank. */
    private char sign(int index) {
        char c = index < source.length() ? source.charAt(index) : ' ';
        return c == '-' || c == '+' ? c : ' ';
    }

    /** Adds the text up to a tag, less what the tag's sign or {@code lstrip_blocks} strips. */
    private void text(int end, char sign) {
        String text = source.substring(at, end);
        String kept = text;
        if (sign == '-') {
            kept = text.substring(0, Characters.stripEnd(text, text.length()));
        } else if (sign == ' ') {
            int lineStart = text.lastIndexOf('\n') + 1;
            boolean atStart = lineStart > 0 || atLineStart;
            if (atStart && Characters.stripEnd(text, text.length()) <= lineStart) {
                kept = text.substring(0, lineStart);
            }
        }
        add(Kind.DATA, kept);
        moveTo(end);
    }

    private void add(Kind kind, String text) {
        if (kind != Kind.DATA || !text.isEmpty()) {
            tokens.add(new Token(kind, text, line));
        }
    }

    private void moveTo(int end) {
        for (int i = at; i < end; ++i) {
            line += source.charAt(i) == '\n' ? 1 : 0;
        }
        if (end > at) {
            atLineStart = source.charAt(end - 1) == '\n';
        }
        at = end;
    }

    private int skipSpace(int from) {
        int i = from;
        while (i < source.length() && Characters.isSpace(source.charAt(i))) {
            ++i;
        }
        return i;
    }

    /** Where the text of a raw block begins, if the tag at an index opens one, or -1. */
    private int rawBegin(int start) {
        int name = skipSpace(start + (sign(start + 2) == ' ' ? 2 : 3));
        int end = skipSpace(name + 3);
        if (!source.startsWith("raw", name)) {
            return -1;
        } else if (source.startsWith("-%}", end)) {
            return skipSpace(end + 3);
        }
        return source.startsWith("%}", end) ? end + 2 : -1;
    }

    private void raw() {
        for (int start = source.indexOf("{%", at);
                start >= 0;
                start = source.indexOf("{%", start + 1)) {
            char sign = sign(start + 2);
            int name = skipSpace(start + (sign == ' ' ? 2 : 3));
            int end = source.startsWith("endraw", name) ? tagEnd(skipSpace(name + 6), "%}") : -1;
            if (end >= 0) {
                text(start, sign);
                moveTo(end);
                return;
            }
        }
        throw error("a raw block has no end");
    }

    /** Where the text behind a tag begins, if the tag ends at an index, or -1. */
    private int tagEnd(int index, String close) {
        if (source.startsWith(close, index)) {
            int end = index + 2;
            return !close.equals("}}") && source.startsWith("\n", end) ? end + 1 : end;
        } else if (sign(index) == '-' && source.startsWith(close, index + 1)) {
            return skipSpace(index + 3);
        }
        boolean keeps = sign(index) == '+' && !close.equals("}}");
        return keeps && source.startsWith(close, index + 1) ? index + 3 : -1;
    }

    private void comment() {
        int close = source.indexOf("#}", at);
        if (close < 0) {
            throw error("a comment has no end");
        }
        moveTo(tagEnd(close > at && sign(close - 1) != ' ' ? close - 1 : close, "#}"));
    }

    /** Reads the code of a tag. */
    private void code(boolean isBlock) {
        tokens.add(new Token(isBlock ? Kind.BLOCK_BEGIN : Kind.VARIABLE_BEGIN, "", line));
        Deque<Character> open = new ArrayDeque<>();
        while (at < source.length()) {
            int end = open.isEmpty() ? tagEnd(at, isBlock ? "%}" : "}}") : -1;
            if (end >= 0) {
                add(isBlock ? Kind.BLOCK_END : Kind.VARIABLE_END, "");
                moveTo(end);
                return;
            }
            if (Characters.isSpace(source.charAt(at))) {
                moveTo(skipSpace(at));
            } else {
                token(open);
            }
        }
        throw error("a tag has no end");
    }

    private void token(Deque<Character> open) {
        char c = source.charAt(at);
        if (c >= '0' && c <= '9') {
            number();
        } else if (isNamePart(source.codePointAt(at))) {
            name();
        } else if (c == '\'' || c == '"') {
            string(c);
        } else {
            operator(open);
        }
    }

    private static boolean isNamePart(int c) {
        return c == '_'
                || (Character.isUnicodeIdentifierPart(c) && !Character.isIdentifierIgnorable(c));
    }

    private void name() {
        int end = at;
        while (end < source.length() && isNamePart(source.codePointAt(end))) {
            end += Character.charCount(source.codePointAt(end));
        }
        int first = source.codePointAt(at);
        if (first != '_' && !Character.isUnicodeIdentifierStart(first)) {
            throw error("unexpected character '" + Character.toString(first) + "'");
        }
        add(Kind.NAME, source.substring(at, end));
        moveTo(end);
    }

    private void number() {
        boolean behindDot = at > 0 && source.charAt(at - 1) == '.';
        int end = behindDot ? -1 : NumberLiteral.floatEnd(source, at);
        Kind kind = end < 0 ? Kind.INTEGER : Kind.FLOAT;
        end = end < 0 ? NumberLiteral.integerEnd(source, at) : end;
        add(kind, source.substring(at, end));
        moveTo(end);
    }

    private void string(char quote) {
        int end = at + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw error("a string has no end");
        }
        try {
            add(Kind.STRING, StringLiteral.read(source.substring(at + 1, end)));
        } catch (JinjaException e) {
            throw e.at(line);
        }
        moveTo(end + 1);
    }

    private void operator(Deque<Character> open) {
        String operator = null;
        for (String candidate : OPERATORS) {
            if (source.startsWith(candidate, at)) {
                operator = candidate;
                break;
            }
        }
        if (operator == null) {
            throw error(
                    "unexpected character '" + Character.toString(source.codePointAt(at)) + "'");
        }
        char c = operator.charAt(0);
        if (OPENING.indexOf(c) >= 0) {
            open.push(CLOSING.charAt(OPENING.indexOf(c)));
        } else if (CLOSING.indexOf(c) >= 0 && (open.isEmpty() || open.pop() != c)) {
            throw error("unexpected '" + c + "'");
        }
        add(Kind.OPERATOR, operator);
        moveTo(at + operator.length());
    }

    private JinjaException error(String message) {
        return new JinjaException(message).at(line);
    }
}

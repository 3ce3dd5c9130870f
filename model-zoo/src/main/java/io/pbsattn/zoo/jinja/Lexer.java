package io.pbsattn.zoo.jinja;

import io.pbsattn.zoo.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into tokens as Jinja2 does with {@code trim_blocks} and {@code lstrip_blocks}: a
 * line that holds only tags leaves nothing behind; {@code -} in a tag strips all white space on its
 * side, {@code +} keeps it.
 */
final class Lexer {

    private static final Pattern OPEN = Pattern.compile("\\{([%{#])([-+]?)");
    private static final Pattern RAW =
            Pattern.compile("\\{%([-+]?)\\s*raw\\s*(?:-%\\}\\s*|%\\})", flags());
    private static final Pattern END_RAW =
            Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:-%\\}\\s*|\\+%\\}|%\\}\\n?)", flags());
    private static final Pattern COMMENT_END =
            Pattern.compile("\\+#\\}|-#\\}\\s*|#\\}\\n?", flags());
    private static final Pattern BLOCK_END = Pattern.compile("\\+%\\}|-%\\}\\s*|%\\}\\n?", flags());
    private static final Pattern VARIABLE_END = Pattern.compile("-\\}\\}\\s*|\\}\\}", flags());
    private static final Pattern FLOAT =
            Pattern.compile("\\d+(?:_\\d+)*(?:\\.\\d+(?:[eE][-+]?\\d+)?|[eE][-+]?\\d+)");
    private static final Pattern INTEGER = Pattern.compile("\\d+(?:_\\d+)*");
    private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_]*");
    private static final Pattern OPERATOR =
            Pattern.compile("//|\\*\\*|==|!=|<=|>=|[-+*/%~\\[\\](){}<>=.:|,]");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int position;
    private int line = 1;

    /** Whether what was read last ended in a line break, or nothing has been read. */
    private boolean lineStarts = true;

    private Lexer(String source) {
        this.source = source;
    }

    private static int flags() {
        return Pattern.UNICODE_CHARACTER_CLASS;
    }

    static List<Token> tokens(String template) {
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        if (source.endsWith("\n")) {
            source = source.substring(0, source.length() - 1);
        }
        Lexer lexer = new Lexer(source);
        lexer.run();
        return lexer.tokens;
    }

    private void run() {
        Matcher open = OPEN.matcher(source);
        while (open.find(position)) {
            char kind = open.group(1).charAt(0);
            data(source.substring(position, open.start()), open.group(2), kind != '{');
            goTo(open.start());
            if (kind == '#') {
                Matcher end = expect(COMMENT_END, open.end(), "#}");
                goTo(end.end());
                continue;
            }
            if (kind == '%' && raw()) {
                continue;
            }
            goTo(open.end());
            if (kind == '%') {
                add(Kind.BLOCK_BEGIN, "{%");
                expression(BLOCK_END, Kind.BLOCK_END, "%}");
            } else {
                add(Kind.VARIABLE_BEGIN, "{{");
                expression(VARIABLE_END, Kind.VARIABLE_END, "}}");
            }
        }
        data(source.substring(position), "", false);
        goTo(source.length());
        add(Kind.END, "");
    }

    /** Adds text in front of a tag, stripped as the tag's sign and the line say. */
    private void data(String text, String sign, boolean stripsLine) {
        int end = text.length();
        if (sign.equals("-")) {
            end = Python.stripEnd(text, end);
        } else if (stripsLine && sign.isEmpty()) {
            int lineStart = text.lastIndexOf('\n') + 1;
            if ((lineStart > 0 || lineStarts) && Python.stripEnd(text, end) <= lineStart) {
                end = lineStart;
            }
        }
        if (end > 0) {
            add(Kind.DATA, text.substring(0, end));
        }
    }

    private boolean raw() {
        Matcher begin = RAW.matcher(source).region(position, source.length());
        if (!begin.lookingAt()) {
            return false;
        }
        goTo(begin.end());
        Matcher end = expect(END_RAW, position, "{% endraw %}");
        data(source.substring(position, end.start()), end.group(1), true);
        goTo(end.end());
        return true;
    }

    private Matcher expect(Pattern pattern, int from, String shown) {
        Matcher matcher = pattern.matcher(source);
        if (!matcher.find(from)) {
            throw new JinjaException("'" + shown + "' is missing").at(line);
        }
        return matcher;
    }

    /** Reads up to the end of a tag; what looks like the end inside brackets is none. */
    private void expression(Pattern end, Kind endKind, String endText) {
        int depth = 0;
        while (true) {
            while (position < source.length() && Python.isSpace(source.charAt(position))) {
                goTo(position + 1);
            }
            if (position == source.length()) {
                throw new JinjaException("'" + endText + "' is missing").at(line);
            }
            Matcher matcher = end.matcher(source).region(position, source.length());
            if (depth == 0 && matcher.lookingAt()) {
                add(endKind, endText);
                goTo(matcher.end());
                return;
            }
            char first = source.charAt(position);
            if (first == '\'' || first == '"') {
                string(first);
            } else if (!(take(FLOAT, Kind.FLOAT)
                    || take(INTEGER, Kind.INTEGER)
                    || take(NAME, Kind.NAME))) {
                if (!take(OPERATOR, Kind.OPERATOR)) {
                    throw new JinjaException("unexpected character '" + first + "'").at(line);
                }
                depth += "([{".indexOf(first) >= 0 ? 1 : ")]}".indexOf(first) >= 0 ? -1 : 0;
            }
        }
    }

    private boolean take(Pattern pattern, Kind kind) {
        Matcher matcher = pattern.matcher(source).region(position, source.length());
        if (!matcher.lookingAt()) {
            return false;
        }
        add(kind, matcher.group());
        goTo(matcher.end());
        return true;
    }

    private void string(char quote) {
        int at = position + 1;
        while (at < source.length() && source.charAt(at) != quote) {
            at += source.charAt(at) == '\\' ? 2 : 1;
        }
        if (at >= source.length()) {
            throw new JinjaException("a string does not end").at(line);
        }
        add(Kind.STRING, unescape(source.substring(position + 1, at)));
        goTo(at + 1);
    }

    /** Python's escapes; a backslash before anything else stays. */
    private String unescape(String raw) {
        StringBuilder result = new StringBuilder();
        for (int i = 0; i < raw.length(); ++i) {
            char c = raw.charAt(i);
            if (c != '\\') {
                result.append(c);
                continue;
            }
            char escaped = raw.charAt(++i);
            int plain = "\\'\"abfnrtv".indexOf(escaped);
            int digits = "xuU".indexOf(escaped);
            if (plain >= 0) {
                result.append("\\'\"\u0007\b\f\n\r\t\u000b".charAt(plain));
            } else if (digits >= 0) {
                int length = 2 << digits;
                try {
                    String hex = raw.substring(i + 1, i + 1 + length);
                    result.appendCodePoint(Integer.parseUnsignedInt(hex, 16));
                } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
                    throw new JinjaException("wrong escape '\\" + escaped + "' in a string")
                            .at(line);
                }
                i += length;
            } else if (escaped >= '0' && escaped <= '7') {
                int end = i;
                while (end < raw.length()
                        && end < i + 3
                        && "01234567".indexOf(raw.charAt(end)) >= 0) {
                    ++end;
                }
                result.append((char) Integer.parseInt(raw.substring(i, end), 8));
                i = end - 1;
            } else if (escaped != '\n') {
                result.append(c).append(escaped);
            }
        }
        return result.toString();
    }

    private void add(Kind kind, String text) {
        tokens.add(new Token(kind, text, line));
    }

    private void goTo(int end) {
        if (end > position) {
            lineStarts = source.charAt(end - 1) == '\n';
            line += (int) source.substring(position, end).chars().filter(c -> c == '\n').count();
            position = end;
        }
    }
}

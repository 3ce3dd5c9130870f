package io.pbsattn.zoo.jinja;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Does Jinja2's white space control before jinjava reads a template, because jinjava strips blanks
 * in front of tags in the middle of a line too, and takes the braces of dicts for the end of a
 * block. In the result blocks have no signs, comments and raw blocks are gone, and every block is
 * in its old line.
 */
final class TemplateSource {

    /** A tag begins with its name; where one ends nothing else stands. */
    private static final Pattern TAG =
            Pattern.compile("\\s*(end\\w+\\s*|(?!end)[A-Za-z_]\\w*\\b.*)", Pattern.DOTALL);

    private static final Pattern END_RAW = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*([-+]?)%}");

    private final String source;
    private final StringBuilder out = new StringBuilder();
    private int at;

    /** Newlines that were taken out and are still to be put into a block. */
    private int newlines;

    /** What the last block does to the text behind it. */
    private char lastSign = '+';

    /** Whether the text behind the last block begins a line. */
    private boolean atLineStart = true;

    private TemplateSource(String source) {
        this.source = source;
    }

    /** Applies {@code trim_blocks}, {@code lstrip_blocks} and the signs {@code -} and {@code +}. */
    static String prepare(String source) {
        String lines = source.replaceAll("\r\n|\r", "\n");
        lines = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
        return new TemplateSource(lines).prepare();
    }

    private String prepare() {
        while (at < source.length()) {
            int start = nextBlock();
            String text = source.substring(at, start);
            if (start == source.length()) {
                text(text, '+');
                break;
            }
            char kind = source.charAt(start + 1);
            at = start + 2;
            char sign = at < source.length() ? source.charAt(at) : ' ';
            boolean signed = sign == '-' || (sign == '+' && kind != '{');
            text(text, signed ? sign : kind == '{' ? '+' : ' ');
            at += signed ? 1 : 0;
            if (kind == '#') {
                comment();
            } else {
                block(kind);
            }
        }
        return out.toString();
    }

    private int nextBlock() {
        for (int i = source.indexOf('{', at); i >= 0; i = source.indexOf('{', i + 1)) {
            if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return source.length();
    }

    /** Writes text between blocks, without what the signs before and behind it strip. */
    private void text(String text, char nextSign) {
        int from = 0;
        int to = text.length();
        boolean trimsNewline = lastSign == ' ' && text.startsWith("\n");
        if (lastSign == '-') {
            while (from < to && Python.isSpace(text.charAt(from))) {
                ++from;
            }
        } else if (trimsNewline) {
            from = 1;
        }
        int end = from + Python.stripEnd(text.substring(from), to - from);
        int line = Math.max(from, text.lastIndexOf('\n') + 1);
        if (nextSign == '-') {
            to = end;
        } else if (nextSign == ' ' && end <= line && (line > from || atLineStart || trimsNewline)) {
            to = line;
        }
        newlines += Math.toIntExact(text.chars().filter(c -> c == '\n').count());
        String kept = text.substring(from, to);
        newlines -= Math.toIntExact(kept.chars().filter(c -> c == '\n').count());
        literal(kept);
        atLineStart = false;
    }

    /** Text for jinjava, which is not to read a brace at its end as the beginning of a block. */
    private void literal(String text) {
        if (text.endsWith("{")) {
            out.append(text, 0, text.length() - 1).append("{{ '{' }}");
        } else {
            out.append(text);
        }
    }

    private void comment() {
        int end = source.indexOf("#}", at);
        if (end < 0) {
            throw error("a comment has no end");
        }
        lastSign = signBefore(end, "-+");
        skip(end + 2);
    }

    private char signBefore(int end, String signs) {
        char sign = end > at ? source.charAt(end - 1) : ' ';
        return signs.indexOf(sign) >= 0 ? sign : ' ';
    }

    private void skip(int to) {
        newlines +=
                Math.toIntExact(source.substring(at, to).chars().filter(c -> c == '\n').count());
        at = to;
    }

    private void block(char kind) {
        String close = kind == '{' ? "}}" : "%}";
        int end = end(close);
        char sign = signBefore(end, kind == '{' ? "-" : "-+");
        String inner = source.substring(at, sign == ' ' ? end : end - 1);
        if (kind == '%' && inner.strip().equals("raw")) {
            if (sign == '+') {
                throw error("'raw' takes no '+' at its end");
            }
            skip(end + 2);
            lastSign = sign == '-' ? '-' : '+';
            raw();
            return;
        }
        if (kind == '%' && !TAG.matcher(inner).matches()) {
            throw error("expected a tag, found '" + inner.strip() + "'");
        }
        out.append('{').append(kind).append(' ').append("\n".repeat(newlines));
        out.append(apart(inner)).append(' ').append(close);
        newlines = 0;
        at = end + 2;
        lastSign = kind == '{' && sign == ' ' ? '+' : sign;
    }

    /** Where a block ends: outside strings and the braces of dicts. */
    private int end(String close) {
        int depth = 0;
        for (int i = at; i < source.length(); ++i) {
            char c = source.charAt(i);
            if (depth == 0 && source.startsWith(close, i)) {
                return i;
            }
            if (c == '\'' || c == '"') {
                i = stringEnd(source, i);
            } else if (c == '{') {
                ++depth;
            } else if (c == '}') {
                --depth;
            }
        }
        throw error("a block has no end");
    }

    private int stringEnd(String text, int start) {
        for (int i = start + 1; i < text.length(); ++i) {
            if (text.charAt(i) == '\\') {
                ++i;
            } else if (text.charAt(i) == text.charAt(start)) {
                return i;
            }
        }
        throw error("a string has no end");
    }

    /** Puts blanks between braces, which are no end of a block. */
    private String apart(String inner) {
        StringBuilder result = new StringBuilder();
        for (int i = 0; i < inner.length(); ++i) {
            char c = inner.charAt(i);
            if (c == '\'' || c == '"') {
                int end = stringEnd(inner, i);
                result.append(inner, i, end + 1);
                i = end;
            } else {
                result.append(c).append(c == '{' || c == '}' ? " " : "");
            }
        }
        return result.toString();
    }

    /** Writes what is raw as a string, in which jinjava reads no blocks. */
    private void raw() {
        Matcher end = END_RAW.matcher(source);
        if (!end.find(at)) {
            throw error("a raw block has no end");
        }
        int from = out.length();
        text(
                source.substring(at, end.start()),
                end.group(1).isEmpty() ? ' ' : end.group(1).charAt(0));
        String text = out.substring(from).replace("{{ '{' }}", "{");
        out.setLength(from);
        out.append("{{ '").append(text.replace("\\", "\\\\").replace("'", "\\'")).append("' }}");
        at = end.end();
        lastSign = end.group(2).isEmpty() ? ' ' : end.group(2).charAt(0);
    }

    private JinjaException error(String message) {
        long line = source.substring(0, at).chars().filter(c -> c == '\n').count() + 1;
        return new JinjaException(message).at((int) line);
    }
}

package io.pbsattn.zoo.jinja;

import java.util.List;

/** Python's {@code format.format(values)}, as Jinja2's sandbox runs it. */
final class BraceFormat {

    private static final int DEEPEST = 2;

    private final List<Object> positional;
    private final Dict named;
    private final boolean escapes;
    private final Scope scope;

    /** The next field without a number; -1 once fields have numbers. */
    private int next;

    private BraceFormat(List<Object> positional, Dict named, boolean escapes, Scope scope) {
        this.positional = positional;
        this.named = named;
        this.escapes = escapes;
        this.scope = scope;
    }

    static String format(Object format, List<Object> positional, Dict named, Scope scope) {
        BraceFormat run = new BraceFormat(positional, named, format instanceof Markup, scope);
        return run.format(Text.of(format), DEEPEST);
    }

    private String format(String format, int depth) {
        if (depth == 0) {
            throw error("fields lie too deep in one another");
        }
        TextBuilder out = new TextBuilder(scope.budget());
        int at = 0;
        while (at < format.length()) {
            char c = format.charAt(at);
            boolean doubled = format.startsWith(c + "" + c, at);
            if ((c == '{' || c == '}') && doubled) {
                out.append(c);
                at += 2;
            } else if (c == '{') {
                int end = fieldEnd(format, at);
                out.append(field(format.substring(at + 1, end), depth));
                at = end + 1;
            } else if (c == '}') {
                throw error("a '}' has no '{'");
            } else {
                out.append(format, at, at + 1);
                ++at;
            }
        }
        return out.toString();
    }

    private static int fieldEnd(String format, int start) {
        int depth = 0;
        boolean inKey = false;
        for (int i = start; i < format.length(); ++i) {
            char c = format.charAt(i);
            inKey = inKey ? c != ']' : c == '[' && depth == 1;
            if (!inKey) {
                depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            }
            if (depth == 0) {
                return i;
            }
        }
        throw error("a '{' has no '}'");
    }

    private String field(String field, int depth) {
        int nameEnd = nameEnd(field);
        Object value = value(field.substring(0, nameEnd));
        int at = nameEnd;
        if (field.startsWith("!", at)) {
            if (at + 1 >= field.length()) {
                throw error("a '!' has no conversion");
            }
            value = convert(value, field.charAt(at + 1));
            at += 2;
        }
        if (at < field.length() && field.charAt(at) != ':') {
            throw error("expected ':' in '" + field + "'");
        }
        String spec =
                at < field.length()
                        ? format(
                                field.substring(at + 1),
                                depth - 1 + (field.indexOf('{') < 0 ? 1 : 0))
                        : "";
        String text = FormatSpec.format(value, spec, scope.budget());
        boolean isMarkup = value instanceof Markup && spec.isEmpty();
        return escapes && !isMarkup ? Markup.escape(text, scope.budget()) : text;
    }

    private static int nameEnd(String field) {
        boolean inKey = false;
        int end = 0;
        while (end < field.length() && (inKey || "!:".indexOf(field.charAt(end)) < 0)) {
            inKey = inKey ? field.charAt(end) != ']' : field.charAt(end) == '[';
            ++end;
        }
        return end;
    }

    /** The value of a name such as {@code 0.a[b]}. */
    private Object value(String path) {
        int end = 0;
        while (end < path.length() && ".[".indexOf(path.charAt(end)) < 0) {
            ++end;
        }
        Object value = first(path.substring(0, end));
        while (end < path.length()) {
            int from = end + 1;
            boolean isKey = path.charAt(end) == '[';
            end = from;
            while (end < path.length()
                    && (isKey ? path.charAt(end) != ']' : ".[".indexOf(path.charAt(end)) < 0)) {
                ++end;
            }
            String name = path.substring(from, end);
            if (name.isEmpty() || (isKey && end == path.length())) {
                throw error("expected an attribute or a key in '" + path + "'");
            }
            value =
                    isKey
                            ? Attributes.item(value, key(name), scope)
                            : Attributes.get(value, name, scope);
            end += isKey ? 1 : 0;
        }
        return value;
    }

    private static Object key(String name) {
        boolean isNumber = name.chars().allMatch(c -> c >= '0' && c <= '9') && name.length() < 19;
        return isNumber ? (Object) Long.valueOf(name) : name;
    }

    private Object first(String name) {
        Object key = key(name.isEmpty() ? String.valueOf(next) : name);
        if (!(key instanceof Long index)) {
            Object value = named.getOr(name, Attributes.MISSING);
            if (value == Attributes.MISSING) {
                throw error("there is no '" + name + "'");
            }
            return value;
        }
        if (name.isEmpty() ? next < 0 : next > 0) {
            throw error("some fields have numbers and some have none");
        }
        next = name.isEmpty() ? next + 1 : -1;
        if (index >= positional.size()) {
            throw error("fewer values than the format takes");
        }
        return positional.get(index.intValue());
    }

    private Object convert(Object value, char conversion) {
        Budget budget = scope.budget();
        return switch (conversion) {
            case 's' -> Text.str(value, budget);
            case 'r' -> Repr.of(value, budget);
            case 'a' -> PythonJson.ascii(Repr.of(value, budget), budget);
            default -> throw error("unknown conversion '" + conversion + "'");
        };
    }

    private static JinjaException error(String message) {
        return new JinjaException("str.format: " + message);
    }
}

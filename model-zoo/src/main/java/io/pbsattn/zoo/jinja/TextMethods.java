package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.IntPredicate;
import java.util.function.Predicate;

/** The methods of Python's strings that templates use. */
final class TextMethods {

    private static final Map<String, BiFunction<Text, Arguments, Object>> METHODS =
            Map.ofEntries(
                    Map.entry("strip", (t, a) -> strip(t, a, true, true)),
                    Map.entry("lstrip", (t, a) -> strip(t, a, true, false)),
                    Map.entry("rstrip", (t, a) -> strip(t, a, false, true)),
                    Map.entry("split", TextMethods::split),
                    Map.entry("rsplit", TextMethods::rsplit),
                    Map.entry("splitlines", (t, a) -> splitlines(t)),
                    Map.entry("startswith", (t, a) -> anyOf(a, s -> starts(t, s))),
                    Map.entry("endswith", (t, a) -> anyOf(a, s -> t.toString().endsWith(s))),
                    Map.entry("replace", TextMethods::replace),
                    Map.entry("upper", (t, a) -> upper(t)),
                    Map.entry("lower", (t, a) -> lower(t)),
                    Map.entry("title", (t, a) -> title(t)),
                    Map.entry("capitalize", (t, a) -> capitalize(t)),
                    Map.entry("find", (t, a) -> position(t, t.toString().indexOf(sub(a)))),
                    Map.entry("rfind", (t, a) -> position(t, t.toString().lastIndexOf(sub(a)))),
                    Map.entry("index", TextMethods::index),
                    Map.entry("count", TextMethods::count),
                    Map.entry("join", (t, a) -> join(t, Python.items(a.take("iterable")))),
                    Map.entry("isdigit", (t, a) -> all(t, Character::isDigit)),
                    Map.entry("isalpha", (t, a) -> all(t, Character::isLetter)),
                    Map.entry("isspace", (t, a) -> all(t, c -> Python.isSpace((char) c))),
                    Map.entry("isupper", (t, a) -> isCase(t, upper(t))),
                    Map.entry("islower", (t, a) -> isCase(t, lower(t))),
                    Map.entry("removeprefix", (t, a) -> removePrefix(t, sub(a))),
                    Map.entry("removesuffix", (t, a) -> removeSuffix(t, sub(a))));

    private TextMethods() {}

    /** The method of that name, bound to the text, or null. */
    static Callable find(Text text, String name) {
        BiFunction<Text, Arguments, Object> method = METHODS.get(name);
        if (method == null) {
            return null;
        }
        return (positional, named) -> {
            Arguments arguments = new Arguments("str." + name, positional, named);
            Object result = method.apply(text, arguments);
            arguments.end();
            return result;
        };
    }

    private static String sub(Arguments arguments) {
        return arguments.text("sub").toString();
    }

    /** Strips the characters of the argument, or white space if there is none. */
    static Text strip(Text text, Arguments arguments, boolean start, boolean end) {
        Object set = arguments.take("chars", null);
        return stripSet(text, set == null ? null : set.toString(), start, end);
    }

    private static Text stripSet(Text text, String set, boolean start, boolean end) {
        String string = text.toString();
        int from = 0;
        int to = string.length();
        while (start && from < to && isIn(string.charAt(from), set)) {
            ++from;
        }
        while (end && to > from && isIn(string.charAt(to - 1), set)) {
            --to;
        }
        return text.substring(from, to);
    }

    private static boolean isIn(char c, String set) {
        return set == null ? Python.isSpace(c) : set.indexOf(c) >= 0;
    }

    private static List<Object> split(Text text, Arguments arguments) {
        Object separator = arguments.take("sep", null);
        long limit = arguments.integer("maxsplit", -1);
        List<Object> parts = new ArrayList<>();
        if (separator == null) {
            Text rest = stripSet(text, null, true, false);
            while (!rest.isEmpty() && parts.size() != limit) {
                int end = 0;
                while (end < rest.length() && !Python.isSpace(rest.toString().charAt(end))) {
                    ++end;
                }
                parts.add(rest.substring(0, end));
                rest = stripSet(rest.substring(end), null, true, false);
            }
            if (!rest.isEmpty()) {
                parts.add(rest);
            }
            return parts;
        }
        String cut = notEmpty(separator);
        int from = 0;
        for (int at = text.toString().indexOf(cut); at >= 0 && parts.size() != limit; ) {
            parts.add(text.substring(from, at));
            from = at + cut.length();
            at = text.toString().indexOf(cut, from);
        }
        parts.add(text.substring(from));
        return parts;
    }

    private static List<Object> rsplit(Text text, Arguments arguments) {
        String cut = notEmpty(arguments.text("sep"));
        long limit = arguments.integer("maxsplit", -1);
        List<Object> parts = new ArrayList<>();
        int to = text.length();
        for (int at = text.toString().lastIndexOf(cut); at >= 0 && parts.size() != limit; ) {
            parts.add(0, text.substring(at + cut.length(), to));
            to = at;
            at = at < cut.length() ? -1 : text.toString().lastIndexOf(cut, at - cut.length());
        }
        parts.add(0, text.substring(0, to));
        return parts;
    }

    private static String notEmpty(Object separator) {
        if (!(separator instanceof Text text) || text.isEmpty()) {
            throw new JinjaException("str.split: expected a separator that is not empty");
        }
        return separator.toString();
    }

    private static List<Object> splitlines(Text text) {
        List<Object> lines = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < text.length(); ++i) {
            char c = text.toString().charAt(i);
            if (c == '\n' || c == '\r') {
                lines.add(text.substring(from, i));
                boolean two = c == '\r' && text.toString().startsWith("\n", i + 1);
                i += two ? 1 : 0;
                from = i + 1;
            }
        }
        if (from < text.length()) {
            lines.add(text.substring(from));
        }
        return lines;
    }

    private static boolean starts(Text text, String prefix) {
        return text.toString().startsWith(prefix);
    }

    private static boolean anyOf(Arguments arguments, Predicate<String> test) {
        Object given = arguments.take("prefix");
        List<?> options = given instanceof Tuple tuple ? tuple : List.of(asText(given));
        return options.stream().anyMatch(option -> test.test(asText(option).toString()));
    }

    private static Text asText(Object value) {
        if (value instanceof Text text) {
            return text;
        }
        throw new JinjaException("expected a string, found " + Python.typeName(value));
    }

    private static Text replace(Text text, Arguments arguments) {
        Text old = arguments.text("old");
        Text replacement = arguments.text("new");
        return replace(text, old.toString(), replacement, arguments.integer("count", -1));
    }

    /** Replaces the first occurrences, or all if the count is negative. */
    static Text replace(Text text, String old, Text replacement, long count) {
        if (old.isEmpty()) {
            throw new JinjaException("str.replace: expected an old string that is not empty");
        }
        Text.Builder result = new Text.Builder();
        int from = 0;
        long left = count;
        for (int at = text.toString().indexOf(old); at >= 0 && left != 0; --left) {
            result.append(text.substring(from, at)).append(replacement);
            from = at + old.length();
            at = text.toString().indexOf(old, from);
        }
        return result.append(text.substring(from)).build();
    }

    static Text upper(Text text) {
        return text.mapped(text.toString().toUpperCase(Locale.ROOT));
    }

    static Text lower(Text text) {
        return text.mapped(text.toString().toLowerCase(Locale.ROOT));
    }

    static Text capitalize(Text text) {
        if (text.isEmpty()) {
            return text;
        }
        return upper(text.substring(0, 1)).plus(lower(text.substring(1)));
    }

    private static Text title(Text text) {
        StringBuilder result = new StringBuilder();
        boolean inWord = false;
        for (char c : text.toString().toCharArray()) {
            result.append(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
            inWord = Character.isLetter(c);
        }
        return text.mapped(result.toString());
    }

    private static Long position(Text text, int index) {
        return index < 0 ? -1L : text.toString().codePointCount(0, index);
    }

    private static Long index(Text text, Arguments arguments) {
        String wanted = sub(arguments);
        int index = text.toString().indexOf(wanted);
        if (index < 0) {
            throw new JinjaException("str.index: '" + wanted + "' is not there");
        }
        return position(text, index);
    }

    private static Long count(Text text, Arguments arguments) {
        String wanted = sub(arguments);
        if (wanted.isEmpty()) {
            return Python.length(text) + 1;
        }
        long found = 0;
        for (int at = text.toString().indexOf(wanted); at >= 0; ++found) {
            at = text.toString().indexOf(wanted, at + wanted.length());
        }
        return found;
    }

    private static Text join(Text separator, List<Object> items) {
        Text.Builder result = new Text.Builder();
        for (int i = 0; i < items.size(); ++i) {
            if (i > 0) {
                result.append(separator);
            }
            result.append(asText(items.get(i)));
        }
        return result.build();
    }

    private static boolean all(Text text, IntPredicate test) {
        return !text.isEmpty() && text.toString().codePoints().allMatch(test);
    }

    private static boolean isCase(Text text, Text changed) {
        return text.equals(changed) && !upper(text).equals(lower(text));
    }

    private static Text removePrefix(Text text, String prefix) {
        return starts(text, prefix) ? text.substring(prefix.length()) : text;
    }

    private static Text removeSuffix(Text text, String suffix) {
        return text.toString().endsWith(suffix)
                ? text.substring(0, text.length() - suffix.length())
                : text;
    }

    /** {@code format % arguments} for {@code %s}, {@code %d} and {@code %%}. */
    static Text format(Text format, List<?> arguments) {
        Text.Builder result = new Text.Builder();
        String string = format.toString();
        int next = 0;
        int from = 0;
        for (int at = string.indexOf('%'); at >= 0; at = string.indexOf('%', from)) {
            result.append(format.substring(from, at));
            from = Math.min(at + 2, string.length());
            String directive = string.substring(at, from);
            if (directive.equals("%%")) {
                result.append("%");
            } else if (!directive.equals("%s") && !directive.equals("%d")) {
                throw new JinjaException("unknown directive '" + directive + "' in a format");
            } else if (next == arguments.size()) {
                throw new JinjaException("not enough arguments for a format");
            } else if (directive.equals("%s")) {
                result.append(Python.text(arguments.get(next++)));
            } else {
                result.append(Long.toString(Python.integer(arguments.get(next++), directive)));
            }
        }
        result.append(format.substring(from));
        if (next < arguments.size()) {
            throw new JinjaException("too many arguments for a format");
        }
        return result.build();
    }
}

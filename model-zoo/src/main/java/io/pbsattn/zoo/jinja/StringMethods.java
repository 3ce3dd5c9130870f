package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.function.Predicate;

/** The methods of Python's strings that templates use. */
final class StringMethods {

    private static final Map<String, Method> METHODS =
            Map.ofEntries(
                    Map.entry("strip", (s, a) -> strip(s, a, true, true)),
                    Map.entry("lstrip", (s, a) -> strip(s, a, true, false)),
                    Map.entry("rstrip", (s, a) -> strip(s, a, false, true)),
                    Map.entry("split", StringMethods::split),
                    Map.entry("startswith", (s, a) -> anyOf(a, s::startsWith)),
                    Map.entry("endswith", (s, a) -> anyOf(a, s::endsWith)),
                    Map.entry("replace", StringMethods::replace),
                    Map.entry("upper", (s, a) -> s.toUpperCase(Locale.ROOT)),
                    Map.entry("lower", (s, a) -> s.toLowerCase(Locale.ROOT)),
                    Map.entry("title", (s, a) -> title(s)),
                    Map.entry("capitalize", (s, a) -> capitalize(s)),
                    Map.entry("find", (s, a) -> position(s, s.indexOf(a.text("sub")))),
                    Map.entry("rfind", (s, a) -> position(s, s.lastIndexOf(a.text("sub")))),
                    Map.entry("join", StringMethods::join),
                    Map.entry("isdigit", (s, a) -> all(s, Character::isDigit)),
                    Map.entry("isalpha", (s, a) -> all(s, Character::isLetter)),
                    Map.entry("removeprefix", (s, a) -> removePrefix(s, a.text("prefix"))),
                    Map.entry("removesuffix", (s, a) -> removeSuffix(s, a.text("suffix"))));

    private StringMethods() {}

    /** What a method does with a string. */
    private interface Method {
        Object call(String string, Arguments arguments);
    }

    /** The method of that name, bound to the string, or null. */
    static Callable find(String string, String name) {
        return METHODS.containsKey(name)
                ? (positional, named) ->
                        call(string, name, new Arguments("str." + name, positional, named))
                : null;
    }

    static Object call(String string, String name, Arguments arguments) {
        Object result = METHODS.get(name).call(string, arguments);
        arguments.end();
        return result;
    }

    /** Strips the characters of the argument, or white space if there is none. */
    private static String strip(String string, Arguments arguments, boolean start, boolean end) {
        Object chars = arguments.take("chars", null);
        IntPredicate isIn =
                chars == null
                        ? c -> Python.isSpace((char) c)
                        : c -> chars.toString().indexOf(c) >= 0;
        int from = 0;
        int to = string.length();
        while (start && from < to && isIn.test(string.charAt(from))) {
            ++from;
        }
        while (end && to > from && isIn.test(string.charAt(to - 1))) {
            --to;
        }
        return string.substring(from, to);
    }

    private static List<Object> split(String string, Arguments arguments) {
        Object separator = arguments.take("sep", null);
        long limit = arguments.integer("maxsplit", -1);
        if (separator == null && limit >= 0) {
            throw new JinjaException("str.split: maxsplit without a separator is not supported");
        }
        return separator == null ? words(string) : split(string, Python.text(separator), limit);
    }

    private static List<Object> words(String string) {
        List<Object> words = new ArrayList<>();
        int from = 0;
        for (int i = 0; i <= string.length(); ++i) {
            if (i == string.length() || Python.isSpace(string.charAt(i))) {
                if (i > from) {
                    words.add(string.substring(from, i));
                }
                from = i + 1;
            }
        }
        return words;
    }

    private static List<Object> split(String string, String separator, long limit) {
        if (separator.isEmpty()) {
            throw new JinjaException("str.split: expected a separator that is not empty");
        }
        List<Object> parts = new ArrayList<>();
        int from = 0;
        for (int at = string.indexOf(separator); at >= 0 && parts.size() != limit; ) {
            parts.add(string.substring(from, at));
            from = at + separator.length();
            at = string.indexOf(separator, from);
        }
        parts.add(string.substring(from));
        return parts;
    }

    private static boolean anyOf(Arguments arguments, Predicate<String> test) {
        Object given = arguments.take("prefix");
        List<?> options = given instanceof Tuple tuple ? tuple : List.of(given);
        for (Object option : options) {
            if (!(option instanceof String)) {
                throw new JinjaException("expected a string, found " + Python.typeName(option));
            }
        }
        return options.stream().anyMatch(option -> test.test(option.toString()));
    }

    private static String replace(String string, Arguments arguments) {
        String old = arguments.text("old");
        String replacement = arguments.text("new");
        long count = arguments.integer("count", -1);
        if (old.isEmpty()) {
            throw new JinjaException("str.replace: expected an old string that is not empty");
        }
        List<Object> parts = split(string, old, count);
        return String.join(replacement, parts.toArray(String[]::new));
    }

    private static String capitalize(String string) {
        if (string.isEmpty()) {
            return string;
        }
        int first = string.offsetByCodePoints(0, 1);
        return string.substring(0, first).toUpperCase(Locale.ROOT)
                + string.substring(first).toLowerCase(Locale.ROOT);
    }

    private static String title(String string) {
        StringBuilder result = new StringBuilder();
        boolean inWord = false;
        for (int i = 0; i < string.length(); ++i) {
            char c = string.charAt(i);
            result.append(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
            inWord = Character.isLetter(c);
        }
        return result.toString();
    }

    private static Long position(String string, int index) {
        return index < 0 ? -1L : string.codePointCount(0, index);
    }

    private static String join(String separator, Arguments arguments) {
        List<Object> items = Python.items(arguments.take("iterable"));
        for (Object item : items) {
            if (!(item instanceof String)) {
                throw new JinjaException(
                        "str.join: expected strings, found " + Python.typeName(item));
            }
        }
        return String.join(separator, items.toArray(String[]::new));
    }

    private static boolean all(String string, IntPredicate test) {
        return !string.isEmpty() && string.codePoints().allMatch(test);
    }

    private static String removePrefix(String string, String prefix) {
        return string.startsWith(prefix) ? string.substring(prefix.length()) : string;
    }

    private static String removeSuffix(String string, String suffix) {
        return string.endsWith(suffix)
                ? string.substring(0, string.length() - suffix.length())
                : string;
    }
}

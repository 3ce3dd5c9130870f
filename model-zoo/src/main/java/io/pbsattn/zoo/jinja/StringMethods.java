package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;

/** The methods of Python's strings. */
final class StringMethods {

    private static final Map<String, Method> METHODS = new HashMap<>();

    /** Methods that escape their arguments where the string is HTML. */
    private static final Set<String> ESCAPING =
            Set.of(
                    "replace",
                    "ljust",
                    "rjust",
                    "lstrip",
                    "rstrip",
                    "center",
                    "strip",
                    "removeprefix",
                    "removesuffix");

    /** Methods that make no other string, besides those that begin with {@code is}. */
    private static final Set<String> READING =
            Set.of("startswith", "endswith", "find", "rfind", "index", "rindex", "count");

    static {
        METHODS.put("strip", (s, a) -> strip(s, a, true, true));
        METHODS.put("lstrip", (s, a) -> strip(s, a, true, false));
        METHODS.put("rstrip", (s, a) -> strip(s, a, false, true));
        METHODS.put("split", (s, a) -> split(s, a, false));
        METHODS.put("rsplit", (s, a) -> split(s, a, true));
        METHODS.put("splitlines", StringMethods::splitLines);
        METHODS.put("partition", StringMethods::partition);
        METHODS.put("rpartition", StringMethods::lastPartition);
        METHODS.put("startswith", (s, a) -> anyOf(s, a, true));
        METHODS.put("endswith", (s, a) -> anyOf(s, a, false));
        METHODS.put("find", (s, a) -> Part.of(s, a).first());
        METHODS.put("rfind", (s, a) -> Part.of(s, a).last());
        METHODS.put("index", (s, a) -> found(Part.of(s, a).first()));
        METHODS.put("rindex", (s, a) -> found(Part.of(s, a).last()));
        METHODS.put("count", (s, a) -> Part.of(s, a).count());
        METHODS.put("replace", StringMethods::replace);
        METHODS.put("join", StringMethods::join);
        METHODS.put("upper", (s, a) -> Characters.upper(s));
        METHODS.put("lower", (s, a) -> Characters.lower(s));
        METHODS.put("casefold", StringMethods::foldCase);
        METHODS.put("swapcase", StringMethods::swapCase);
        METHODS.put("title", StringMethods::title);
        METHODS.put("capitalize", StringMethods::capitalize);
        METHODS.put("center", (s, a) -> pad(s, a, Side.BOTH));
        METHODS.put("ljust", (s, a) -> pad(s, a, Side.RIGHT));
        METHODS.put("rjust", (s, a) -> pad(s, a, Side.LEFT));
        METHODS.put("zfill", StringMethods::zeros);
        METHODS.put("expandtabs", StringMethods::expandTabs);
        METHODS.put("removeprefix", (s, a) -> removePrefix(s, a.nextText("prefix")));
        METHODS.put("removesuffix", (s, a) -> removeSuffix(s, a.nextText("suffix")));
        METHODS.put("isalpha", (s, a) -> all(s, Character::isLetter));
        METHODS.put("isdigit", (s, a) -> all(s, Characters::isDigit));
        METHODS.put("isdecimal", (s, a) -> all(s, Characters::isDecimal));
        METHODS.put("isnumeric", (s, a) -> all(s, Characters::isNumeric));
        METHODS.put("isalnum", (s, a) -> all(s, Characters::isAlphanumeric));
        METHODS.put("isspace", (s, a) -> all(s, Characters::isSpace));
        METHODS.put("isprintable", (s, a) -> s.codePoints().allMatch(Characters::isPrintable));
        METHODS.put("isascii", (s, a) -> s.codePoints().allMatch(c -> c < 0x80));
        METHODS.put("isidentifier", (s, a) -> isIdentifier(s));
        METHODS.put("isupper", (s, a) -> isUpper(s));
        METHODS.put("islower", (s, a) -> isLower(s));
        METHODS.put("istitle", (s, a) -> isTitle(s));
    }

    private StringMethods() {}

    /** What a method does with a string. */
    private interface Method {
        Object call(String string, Arguments arguments);
    }

    /** Where blanks are put. */
    private enum Side {
        LEFT,
        RIGHT,
        BOTH
    }

    /** The method of that name, bound to the string, or null. */
    static Callable find(Object string, String name) {
        if (name.equals("format")) {
            return arguments -> format(string, arguments);
        } else if (name.equals("format_map")) {
            return arguments -> formatMap(string, arguments.of("str.format_map"));
        }
        return METHODS.containsKey(name)
                ? arguments -> call(string, name, arguments.of("str." + name))
                : null;
    }

    /** Calls a method that exists. */
    static Object call(Object string, String name, Arguments arguments) {
        boolean isMarkup = string instanceof Markup;
        Arguments given = isMarkup ? escaped(name, arguments) : arguments;
        if (name.startsWith("is") || READING.contains(name)) {
            arguments.budget().scan(Text.of(string).length());
        } else {
            arguments.budget().characters(Text.of(string).length());
        }
        Object result = given.end(METHODS.get(name).call(Text.of(string), given));
        return isMarkup ? marked(result) : result;
    }

    private static Arguments escaped(String name, Arguments arguments) {
        if (ESCAPING.contains(name)) {
            return arguments.map(
                    value -> Text.is(value) ? Markup.escape(value, arguments.budget()) : value);
        } else if (name.equals("join")) {
            Object items = arguments.next("iterable");
            List<Object> escaped = new ArrayList<>();
            for (Object item : Sequences.list(items, arguments.budget())) {
                escaped.add(Markup.escape(item, arguments.budget()));
            }
            arguments.end();
            return new Arguments(arguments.scope(), List.of(escaped), Map.of()).of("str.join");
        }
        return arguments;
    }

    private static Object marked(Object result) {
        if (result instanceof String text) {
            return new Markup(text);
        } else if (result instanceof List<?> parts) {
            List<Object> marked = new ArrayList<>();
            parts.forEach(part -> marked.add(marked(part)));
            return parts instanceof Tuple ? new Tuple(marked) : marked;
        }
        return result;
    }

    private static Object format(Object string, Arguments arguments) {
        Dict named = new Dict(arguments.budget());
        arguments.restNamed().forEach(named::put);
        return Text.like(
                string, BraceFormat.format(string, arguments.rest(), named, arguments.scope()));
    }

    private static Object formatMap(Object string, Arguments arguments) {
        if (!(arguments.next("mapping") instanceof Dict named)) {
            throw new JinjaException("str.format_map: expected a dict");
        }
        arguments.end();
        return Text.like(string, BraceFormat.format(string, List.of(), named, arguments.scope()));
    }

    /** Strips the characters of the argument, or white space if there is none. */
    private static String strip(String string, Arguments arguments, boolean start, boolean end) {
        Object chars = arguments.next("chars", null);
        String stripped = chars == null ? null : arguments.asText("chars", chars);
        arguments.budget().search(string.length(), stripped == null ? 1 : stripped.length());
        IntPredicate isIn = stripped == null ? Characters::isSpace : c -> stripped.indexOf(c) >= 0;
        int from = 0;
        int to = string.length();
        while (start && from < to && isIn.test(string.codePointAt(from))) {
            from += Character.charCount(string.codePointAt(from));
        }
        while (end && to > from && isIn.test(string.codePointBefore(to))) {
            to -= Character.charCount(string.codePointBefore(to));
        }
        return string.substring(from, to);
    }

    private static List<Object> split(String string, Arguments arguments, boolean fromEnd) {
        Object separator = arguments.take("sep", null);
        long limit = arguments.integer("maxsplit", -1);
        long most = limit < 0 ? Long.MAX_VALUE : limit;
        Budget budget = arguments.budget();
        if (separator == null) {
            return fromEnd ? lastWords(string, most, budget) : words(string, most, budget);
        }
        String wanted = arguments.asText("sep", separator);
        if (wanted.isEmpty()) {
            throw arguments.error("sep", "expected a string that is not empty");
        }
        return fromEnd
                ? lastSplit(string, wanted, most, budget)
                : split(string, wanted, most, budget);
    }

    /** Words with white space between them; the last one is all that is left at a limit. */
    static List<Object> words(String string, long limit, Budget budget) {
        List<Object> words = new ArrayList<>();
        int at = 0;
        while (true) {
            while (at < string.length() && Characters.isSpace(string.charAt(at))) {
                ++at;
            }
            if (at == string.length()) {
                return words;
            }
            int from = at;
            while (at < string.length()
                    && (words.size() == limit || !Characters.isSpace(string.charAt(at)))) {
                ++at;
            }
            budget.items(1);
            words.add(string.substring(from, at));
        }
    }

    private static List<Object> lastWords(String string, long limit, Budget budget) {
        List<Object> words = new ArrayList<>();
        int at = string.length();
        while (true) {
            at = Characters.stripEnd(string, at);
            if (at == 0) {
                Collections.reverse(words);
                return words;
            }
            int to = at;
            while (at > 0
                    && (words.size() == limit || !Characters.isSpace(string.charAt(at - 1)))) {
                --at;
            }
            budget.items(1);
            words.add(string.substring(at, to));
        }
    }

    private static List<Object> split(String string, String separator, long limit, Budget budget) {
        List<Object> parts = new ArrayList<>();
        budget.search(string.length(), separator.length());
        int from = 0;
        for (int at = string.indexOf(separator); at >= 0 && parts.size() < limit; ) {
            budget.items(1);
            parts.add(string.substring(from, at));
            from = at + separator.length();
            at = string.indexOf(separator, from);
        }
        parts.add(string.substring(from));
        return parts;
    }

    private static List<Object> lastSplit(
            String string, String separator, long limit, Budget budget) {
        List<Object> parts = new ArrayList<>();
        budget.search(string.length(), separator.length());
        int to = string.length();
        for (int at = string.lastIndexOf(separator); at >= 0 && parts.size() < limit; ) {
            budget.items(1);
            parts.add(string.substring(at + separator.length(), to));
            to = at;
            at = string.lastIndexOf(separator, to - separator.length());
            at = to < separator.length() ? -1 : at;
        }
        parts.add(string.substring(0, to));
        Collections.reverse(parts);
        return parts;
    }

    private static List<Object> splitLines(String string, Arguments arguments) {
        return lines(string, arguments.flag("keepends", false), arguments.budget());
    }

    /** The lines of a text. */
    static List<Object> lines(String string, boolean keepEnds, Budget budget) {
        List<Object> lines = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < string.length(); ++i) {
            if (Characters.isLineEnd(string.charAt(i))) {
                int end = i;
                i += string.startsWith("\r\n", i) ? 1 : 0;
                budget.items(1);
                lines.add(string.substring(from, keepEnds ? i + 1 : end));
                from = i + 1;
            }
        }
        if (from < string.length()) {
            lines.add(string.substring(from));
        }
        return lines;
    }

    private static String separator(Arguments arguments) {
        String separator = arguments.nextText("sep");
        if (separator.isEmpty()) {
            throw arguments.error("sep", "expected a string that is not empty");
        }
        return separator;
    }

    private static Tuple partition(String string, Arguments arguments) {
        String separator = separator(arguments);
        int at = Search.first(string, separator, 0, arguments.budget());
        return at < 0
                ? Tuple.of(string, "", "")
                : Tuple.of(
                        string.substring(0, at),
                        separator,
                        string.substring(at + separator.length()));
    }

    private static Tuple lastPartition(String string, Arguments arguments) {
        String separator = separator(arguments);
        int at = Search.last(string, separator, string.length(), arguments.budget());
        return at < 0
                ? Tuple.of("", "", string)
                : Tuple.of(
                        string.substring(0, at),
                        separator,
                        string.substring(at + separator.length()));
    }

    /** A part of a string, and what is looked for in it. */
    private record Part(String text, Object wanted, long start, Budget budget) {

        static Part of(String string, Arguments arguments) {
            return of(string, arguments, arguments.asText("sub", arguments.next("sub")));
        }

        /**
         * The part between the arguments start and end; one that begins behind its end has nothing.
         */
        static Part of(String string, Arguments arguments, Object wanted) {
            long length = Text.length(string);
            Object from = arguments.next("start", null);
            Object to = arguments.next("end", null);
            long start = from == null ? 0 : bound(from, length);
            long end = to == null ? length : Math.min(length, bound(to, length));
            String text =
                    start > end
                            ? null
                            : string.substring(Text.index(string, start), Text.index(string, end));
            return new Part(text, wanted, start, arguments.budget());
        }

        private static long bound(Object given, long length) {
            long index = Numbers.index(given, "str: start and end");
            return Math.max(0, index < 0 ? index + length : index);
        }

        long first() {
            return text == null ? -1 : position(Search.first(text, Text.of(wanted), 0, budget));
        }

        long last() {
            return text == null
                    ? -1
                    : position(Search.last(text, Text.of(wanted), text.length(), budget));
        }

        private long position(int index) {
            return index < 0 ? -1 : start + text.codePointCount(0, index);
        }

        long count() {
            String searched = Text.of(wanted);
            if (text == null || searched.isEmpty()) {
                return text == null ? 0 : Text.length(text) + 1L;
            }
            budget.search(text.length(), searched.length());
            long count = 0;
            for (int at = text.indexOf(searched);
                    at >= 0;
                    at = text.indexOf(searched, at + searched.length())) {
                ++count;
            }
            return count;
        }
    }

    private static long found(long position) {
        if (position < 0) {
            throw new JinjaException("str.index: the string is not in it");
        }
        return position;
    }

    private static boolean anyOf(String string, Arguments arguments, boolean atStart) {
        Object given = arguments.next("prefix");
        Part part = Part.of(string, arguments, given);
        List<?> options = given instanceof Tuple tuple ? tuple : Collections.singletonList(given);
        boolean found = false;
        for (Object option : options) {
            String text = arguments.asText("prefix", option);
            found |=
                    part.text != null
                            && (atStart ? part.text.startsWith(text) : part.text.endsWith(text));
        }
        return found;
    }

    private static String replace(String string, Arguments arguments) {
        String old = arguments.nextText("old");
        String replacement = arguments.nextText("new");
        Object count = arguments.next("count", -1L);
        return replace(
                string,
                old,
                replacement,
                Numbers.index(count, "str.replace: count"),
                arguments.budget());
    }

    /** Replaces up to a number of times; all if it is negative. */
    static String replace(
            String string, String old, String replacement, long count, Budget budget) {
        long most = count < 0 ? Long.MAX_VALUE : count;
        TextBuilder out = new TextBuilder(budget);
        if (old.isEmpty()) {
            int at = 0;
            for (long i = 0; i < most; ++i) {
                out.append(replacement);
                if (at == string.length()) {
                    return out.toString();
                }
                int to = string.offsetByCodePoints(at, 1);
                out.append(string, at, to);
                at = to;
            }
            return out.append(string, at, string.length()).toString();
        }
        budget.search(string.length(), old.length());
        int from = 0;
        int at = string.indexOf(old);
        for (long i = 0; i < most && at >= 0; ++i) {
            out.append(string, from, at).append(replacement);
            from = at + old.length();
            at = string.indexOf(old, from);
        }
        return out.append(string, from, string.length()).toString();
    }

    private static String join(String separator, Arguments arguments) {
        List<Object> items = Sequences.list(arguments.next("iterable"), arguments.budget());
        for (Object item : items) {
            arguments.asText("iterable", item);
        }
        return (String) Text.join(separator, items, false, arguments.budget());
    }

    private static String foldCase(String string, Arguments arguments) {
        TextBuilder out = new TextBuilder(arguments.budget());
        string.codePoints()
                .mapToObj(Character::toString)
                .forEach(c -> out.append(Characters.lower(Characters.upper(c))));
        return out.toString();
    }

    private static String swapCase(String string, Arguments arguments) {
        TextBuilder out = new TextBuilder(arguments.budget());
        for (int i = 0; i < string.length(); i += Character.charCount(string.codePointAt(i))) {
            int c = string.codePointAt(i);
            String text = Character.toString(c);
            if (Character.isUpperCase(c)) {
                out.append(Characters.lower(string, i));
            } else {
                out.append(Character.isLowerCase(c) ? Characters.upper(text) : text);
            }
        }
        return out.toString();
    }

    private static String title(String string, Arguments arguments) {
        TextBuilder out = new TextBuilder(arguments.budget());
        boolean inWord = false;
        for (int i = 0; i < string.length(); i += Character.charCount(string.codePointAt(i))) {
            int c = string.codePointAt(i);
            out.append(inWord ? Characters.lower(string, i) : Characters.title(c));
            inWord = Characters.isCased(c);
        }
        return out.toString();
    }

    private static String capitalize(String string, Arguments arguments) {
        if (string.isEmpty()) {
            return string;
        }
        int first = string.codePointAt(0);
        String lower = Characters.lower(string);
        int from = Characters.lower(Character.toString(first)).length();
        return new TextBuilder(arguments.budget())
                .append(Characters.title(first))
                .append(lower.substring(from))
                .toString();
    }

    private static String pad(String string, Arguments arguments, Side side) {
        long width = arguments.nextInteger("width");
        String fill = arguments.asText("fillchar", arguments.next("fillchar", " "));
        if (Text.length(fill) != 1) {
            throw arguments.error("fillchar", "expected one character");
        }
        return pad(string, width, fill, side, arguments.budget());
    }

    private static String pad(String string, long width, String fill, Side side, Budget budget) {
        long missing = Math.max(0, width - Text.length(string));
        long left =
                switch (side) {
                    case LEFT -> missing;
                    case RIGHT -> 0;
                    case BOTH -> missing / 2 + (missing & width & 1);
                };
        return new TextBuilder(budget)
                .repeat(fill, left)
                .append(string)
                .repeat(fill, missing - left)
                .toString();
    }

    private static String zeros(String string, Arguments arguments) {
        long missing = arguments.nextInteger("width") - Text.length(string);
        int sign = string.startsWith("-") || string.startsWith("+") ? 1 : 0;
        return new TextBuilder(arguments.budget())
                .append(string, 0, sign)
                .repeat("0", missing)
                .append(string, sign, string.length())
                .toString();
    }

    private static String expandTabs(String string, Arguments arguments) {
        long size = arguments.integer("tabsize", 8);
        TextBuilder out = new TextBuilder(arguments.budget());
        long column = 0;
        for (int i = 0; i < string.length(); i += Character.charCount(string.codePointAt(i))) {
            int c = string.codePointAt(i);
            if (c == '\t') {
                long blanks = size > 0 ? size - column % size : 0;
                out.repeat(" ", blanks);
                column += blanks;
            } else {
                out.append(c);
                column = c == '\n' || c == '\r' ? 0 : column + 1;
            }
        }
        return out.toString();
    }

    private static String removePrefix(String string, String prefix) {
        return string.startsWith(prefix) ? string.substring(prefix.length()) : string;
    }

    private static String removeSuffix(String string, String suffix) {
        return string.endsWith(suffix)
                ? string.substring(0, string.length() - suffix.length())
                : string;
    }

    private static boolean all(String string, IntPredicate test) {
        return !string.isEmpty() && string.codePoints().allMatch(test);
    }

    private static boolean isIdentifier(String string) {
        if (string.isEmpty()) {
            return false;
        }
        int first = string.codePointAt(0);
        return (first == '_' || Character.isUnicodeIdentifierStart(first))
                && string.codePoints()
                        .allMatch(
                                c ->
                                        c == '_'
                                                || (Character.isUnicodeIdentifierPart(c)
                                                        && !Character.isIdentifierIgnorable(c)));
    }

    /** Whether there are letters with a case, and all are large. */
    static boolean isUpper(String string) {
        return string.codePoints().anyMatch(Character::isUpperCase)
                && string.codePoints()
                        .noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
    }

    /** Whether there are letters with a case, and all are small. */
    static boolean isLower(String string) {
        return string.codePoints().anyMatch(Character::isLowerCase)
                && string.codePoints()
                        .noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
    }

    private static boolean isTitle(String string) {
        boolean inWord = false;
        boolean found = false;
        for (int i = 0; i < string.length(); i += Character.charCount(string.codePointAt(i))) {
            int c = string.codePointAt(i);
            boolean isLarge = Character.isUpperCase(c) || Character.isTitleCase(c);
            if (isLarge ? inWord : Character.isLowerCase(c) && !inWord) {
                return false;
            }
            inWord = Characters.isCased(c);
            found |= inWord;
        }
        return found;
    }
}

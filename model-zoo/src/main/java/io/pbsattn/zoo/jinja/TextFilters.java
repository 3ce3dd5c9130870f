package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The filters of strings. */
final class TextFilters {

    private TextFilters() {}

    static void register(Map<String, Filters.Filter> filters) {
        for (String method : List.of("upper", "lower", "capitalize")) {
            filters.put(method, (v, a) -> StringMethods.call(Text.soft(v, a.budget()), method, a));
        }
        filters.put("string", (v, a) -> Text.soft(v, a.budget()));
        filters.put("trim", TextFilters::trim);
        filters.put("title", TextFilters::title);
        filters.put("replace", TextFilters::replace);
        filters.put("center", TextFilters::center);
        filters.put("format", TextFilters::format);
        filters.put("indent", TextFilters::indent);
        filters.put("truncate", TextFilters::truncate);
        filters.put("wordcount", TextFilters::wordCount);
        filters.put("wordwrap", TextFilters::wordWrap);
    }

    private static String text(String filter, Object value) {
        if (Text.is(value)) {
            return Text.of(value);
        } else if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        throw new JinjaException(filter + ": expected a string, found " + Values.describe(value));
    }

    private static Object method(
            Object value, String method, Arguments arguments, Object... given) {
        Object string = Text.soft(value, arguments.budget());
        return StringMethods.call(
                string,
                method,
                new Arguments(arguments.scope(), Tuple.of(given), Map.of()).of(method));
    }

    private static Object trim(Object value, Arguments arguments) {
        return method(value, "strip", arguments, arguments.take("chars", null));
    }

    private static Object center(Object value, Arguments arguments) {
        return method(value, "center", arguments, arguments.take("width", 80L));
    }

    private static Object replace(Object value, Arguments arguments) {
        Object old = arguments.take("old");
        Object replacement = arguments.take("new");
        Object count = arguments.take("count", null);
        Object most = count == null ? -1L : count;
        Budget budget = arguments.budget();
        if (!arguments.scope().escapes()) {
            return method(
                    Text.str(value, budget),
                    "replace",
                    arguments,
                    Text.str(old, budget),
                    Text.str(replacement, budget),
                    most);
        }
        boolean isMarkup =
                value instanceof Markup || old instanceof Markup || replacement instanceof Markup;
        Object string = isMarkup ? new Markup(Markup.escape(value, budget)) : value;
        return method(
                string,
                "replace",
                arguments,
                Text.soft(old, budget),
                Text.soft(replacement, budget),
                most);
    }

    /** Words begin behind white space, hyphens and opening brackets. */
    private static String title(Object value, Arguments arguments) {
        String text = Text.str(value, arguments.budget());
        TextBuilder out = new TextBuilder(arguments.budget());
        int at = 0;
        while (at < text.length()) {
            int end = at;
            boolean divides = divides(text.charAt(at));
            while (end < text.length() && divides(text.charAt(end)) == divides) {
                ++end;
            }
            int first = Math.min(end, text.offsetByCodePoints(at, 1));
            out.append(Characters.upper(text.substring(at, first)));
            out.append(Characters.lower(text.substring(first, end)));
            at = end;
        }
        return out.toString();
    }

    private static boolean divides(char c) {
        return Characters.isSpace(c) || "-({[<".indexOf(c) >= 0;
    }

    private static Object format(Object value, Arguments arguments) {
        if (arguments.hasNext() && arguments.hasNamed()) {
            throw new JinjaException("format: expected arguments with names or without, not both");
        }
        Object string = Text.soft(value, arguments.budget());
        Object values;
        if (arguments.hasNamed()) {
            Dict named = new Dict(arguments.budget());
            arguments.restNamed().forEach(named::put);
            values = named;
        } else {
            values = new Tuple(arguments.rest());
        }
        return Text.like(string, PercentFormat.format(string, values, arguments.budget()));
    }

    private static Object indent(Object value, Arguments arguments) {
        Object width = arguments.take("width", 4L);
        boolean first = arguments.flag("first", false);
        boolean blank = arguments.flag("blank", false);
        Budget budget = arguments.budget();
        String margin =
                Text.is(width)
                        ? Text.of(width)
                        : new TextBuilder(budget)
                                .repeat(" ", Numbers.index(width, "indent: width"))
                                .toString();
        boolean isMarkup = value instanceof Markup;
        margin = isMarkup ? Markup.escape(Text.like(width, margin), budget) : margin;
        TextBuilder out = new TextBuilder(budget).append(first ? margin : "");
        List<Object> lines = StringMethods.lines(text("indent", value) + "\n", false, budget);
        for (int i = 0; i < lines.size(); ++i) {
            String line = (String) lines.get(i);
            out.append(i == 0 ? "" : "\n");
            out.append(i > 0 && (blank || !line.isEmpty()) ? margin : "").append(line);
        }
        return Text.like(value, out.toString());
    }

    private static Object truncate(Object value, Arguments arguments) {
        long length = arguments.integer("length", 255);
        boolean cutsWords = arguments.flag("killwords", false);
        String end = arguments.text("end", "...");
        Object given = arguments.take("leeway", null);
        long leeway = given == null ? 5 : Numbers.index(given, "truncate: leeway");
        long kept = length - Text.length(end);
        if (kept < 0 || leeway < 0) {
            throw new JinjaException(
                    "truncate: expected a length of at least the end's, and a leeway of 0 or more");
        }
        if (Sequences.length(value, arguments.budget()) - leeway <= length) {
            return value;
        }
        String text = text("truncate", value);
        String cut = text.substring(0, Text.index(text, kept));
        int blank = cut.lastIndexOf(' ');
        cut = cutsWords || blank < 0 ? cut : cut.substring(0, blank);
        Object shortened = Text.like(value, cut);
        return Operators.add(shortened, end, arguments.budget());
    }

    private static Object wordCount(Object value, Arguments arguments) {
        String text = Text.str(value, arguments.budget());
        arguments.budget().scan(text.length());
        long words = 0;
        boolean inWord = false;
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int c = text.codePointAt(i);
            boolean isPart = c == '_' || Characters.isAlphanumeric(c);
            words += isPart && !inWord ? 1 : 0;
            inWord = isPart;
        }
        return words;
    }

    private static Object wordWrap(Object value, Arguments arguments) {
        long width = arguments.integer("width", 79);
        boolean breaksWords = arguments.flag("break_long_words", true);
        Object separator = arguments.take("wrapstring", null);
        boolean breaksHyphens = arguments.flag("break_on_hyphens", true);
        Budget budget = arguments.budget();
        String between = separator == null ? "\n" : arguments.asText("wrapstring", separator);
        List<Object> wrapped = new ArrayList<>();
        for (Object line : StringMethods.lines(text("wordwrap", value), false, budget)) {
            List<Object> lines =
                    new WordWrap(width, breaksWords, breaksHyphens, budget).wrap((String) line);
            wrapped.add(Text.join(between, lines, false, budget));
        }
        return Text.join(between, wrapped, false, budget);
    }
}

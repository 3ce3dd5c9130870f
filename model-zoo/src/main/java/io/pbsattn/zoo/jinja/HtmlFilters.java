package io.pbsattn.zoo.jinja;

import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** The filters of HTML and URLs. */
final class HtmlFilters {

    private HtmlFilters() {}

    static void register(Map<String, Filters.Filter> filters) {
        filters.put("safe", (v, a) -> new Markup(Text.str(v, a.budget())));
        filters.put("escape", (v, a) -> new Markup(Markup.escape(v, a.budget())));
        filters.put("e", (v, a) -> new Markup(Markup.escape(v, a.budget())));
        filters.put(
                "forceescape",
                (v, a) -> new Markup(Markup.escape(Text.str(v, a.budget()), a.budget())));
        filters.put("striptags", HtmlFilters::stripTags);
        filters.put("xmlattr", HtmlFilters::attributes);
        filters.put("urlencode", HtmlFilters::urlEncode);
    }

    /** Takes out comments and tags, and makes white space single blanks. */
    private static String stripTags(Object value, Arguments arguments) {
        Budget budget = arguments.budget();
        String text = without(Text.str(value, budget), "<!--", "-->", budget);
        text = without(text, "<", ">", budget);
        List<Object> words = StringMethods.words(text, Long.MAX_VALUE, budget);
        return HtmlEntities.unescape((String) Text.join(" ", words, false, budget), budget);
    }

    private static String without(String text, String open, String close, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        int from = 0;
        for (int start = text.indexOf(open); start >= 0; start = text.indexOf(open, from)) {
            int end = text.indexOf(close, start);
            if (end < 0) {
                break;
            }
            out.append(text, from, start);
            from = end + close.length();
        }
        return out.append(text, from, text.length()).toString();
    }

    private static Object attributes(Object value, Arguments arguments) {
        boolean space = arguments.flag("autospace", true);
        if (!(value instanceof Dict dict)) {
            throw new JinjaException("xmlattr: expected a dict, found " + Values.describe(value));
        }
        Budget budget = arguments.budget();
        TextBuilder out = new TextBuilder(budget);
        dict.forEach(
                (key, item) -> {
                    if (item == null || item instanceof Undefined) {
                        return;
                    }
                    if (!Text.is(key)
                            || Text.of(key)
                                    .chars()
                                    .anyMatch(c -> " \t\n\r\f\u000b/>=".indexOf(c) >= 0)) {
                        throw new JinjaException("xmlattr: a key is no name of an attribute");
                    }
                    out.append(space || out.length() > 0 ? " " : "")
                            .append(Markup.escape(key, budget));
                    out.append("=\"").append(Markup.escape(item, budget)).append("\"");
                });
        return arguments.scope().captured(out.toString());
    }

    private static String urlEncode(Object value, Arguments arguments) {
        TextBuilder out = new TextBuilder(arguments.budget());
        if (Text.is(value) || !Sequences.isIterable(value)) {
            quote(out, value, false);
            return out.toString();
        }
        Object pairs = value instanceof Dict dict ? new DictView(DictView.Kind.ITEMS, dict) : value;
        Iterator<Object> items = Sequences.iterator(pairs, arguments.budget());
        while (items.hasNext()) {
            List<Object> pair = Sequences.list(items.next(), arguments.budget());
            if (pair.size() != 2) {
                throw new JinjaException("urlencode: expected pairs");
            }
            out.append(out.length() == 0 ? "" : "&");
            quote(out, pair.get(0), true);
            out.append("=");
            quote(out, pair.get(1), true);
        }
        return out.toString();
    }

    private static void quote(TextBuilder out, Object value, boolean forQuery) {
        String text = Text.str(value, out.budget());
        out.budget().characters(text.length());
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            boolean plain = c < 0x80 && (Character.isLetterOrDigit(c) || "_.-~".indexOf(c) >= 0);
            if (plain || (c == '/' && !forQuery)) {
                out.append(c);
            } else if (c == ' ' && forQuery) {
                out.append('+');
            } else {
                out.append(String.format("%%%02X", (int) c));
            }
        }
    }
}

package io.pbsattn.zoo.jinja;

/**
 * A string that is HTML, as the filters {@code safe} and {@code escape} make it: what is put to it
 * is escaped.
 *
 * @param text the string
 */
record Markup(String text) {

    /** A value as HTML: escaped, unless it is HTML already. */
    static String escape(Object value, Budget budget) {
        if (value instanceof Markup markup) {
            return markup.text;
        }
        String text = Text.str(value, budget);
        TextBuilder out = new TextBuilder(budget);
        for (int i = 0; i < text.length(); ++i) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&#34;");
                case '\'' -> out.append("&#39;");
                default -> out.append(text, i, i + 1);
            }
        }
        return out.toString();
    }
}

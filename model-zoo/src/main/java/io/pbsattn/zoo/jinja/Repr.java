package io.pbsattn.zoo.jinja;

import java.math.BigInteger;
import java.util.List;
import java.util.Map;

/** Python's {@code repr}. */
final class Repr {

    private final TextBuilder out;

    private Repr(Budget budget) {
        out = new TextBuilder(budget);
    }

    static String of(Object value, Budget budget) {
        Repr repr = new Repr(budget);
        repr.write(value);
        return repr.out.toString();
    }

    private void write(Object value) {
        out.budget().enter();
        if (value == null) {
            out.append("None");
        } else if (value instanceof Boolean b) {
            out.append(b ? "True" : "False");
        } else if (value instanceof Double d) {
            out.append(FloatText.of(d, out.budget()));
        } else if (value instanceof BigInteger big) {
            out.append(Numbers.digits(big, out.budget()));
        } else if (value instanceof String text) {
            string(text);
        } else if (value instanceof Markup markup) {
            out.append("Markup(");
            string(markup.text());
            out.append(")");
        } else if (value instanceof Tuple tuple) {
            items("(", tuple, tuple.size() == 1 ? ",)" : ")");
        } else if (value instanceof List<?> list && !(value instanceof Range)) {
            items("[", list, "]");
        } else if (value instanceof Dict dict) {
            entries(dict);
        } else if (value instanceof DictView view) {
            items(view.kind().prefix(), view.items(), "])");
        } else if (value instanceof Namespace namespace) {
            out.append("<Namespace ");
            write(namespace.attributes());
            out.append(">");
        } else if (value instanceof Undefined) {
            out.append("Undefined");
        } else if (Values.hasText(value)) {
            out.append(value.toString());
        } else {
            throw new JinjaException(
                    Values.describe(value) + " has no text that is always the same");
        }
        out.budget().leave();
    }

    private void items(String open, Iterable<?> items, String close) {
        String separator = open;
        for (Object item : items) {
            out.append(separator);
            write(item);
            separator = ", ";
        }
        out.append(separator.equals(", ") ? "" : open).append(close);
    }

    private void entries(Dict dict) {
        String separator = "{";
        for (Map.Entry<Object, Object> entry : dict.entries()) {
            out.append(separator);
            write(entry.getKey());
            out.append(": ");
            write(entry.getValue());
            separator = ", ";
        }
        out.append(dict.size() == 0 ? "{}" : "}");
    }

    private void string(String text) {
        int quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int c = text.codePointAt(i);
            int plain = "\n\r\t".indexOf(c);
            if (plain >= 0) {
                out.append('\\').append("nrt".charAt(plain));
            } else if (c == quote || c == '\\') {
                out.append('\\').append(c);
            } else if (Characters.isPrintable(c)) {
                out.append(c);
            } else if (c < 0x100) {
                out.append(String.format("\\x%02x", c));
            } else {
                out.append(String.format(c < 0x10000 ? "\\u%04x" : "\\U%08x", c));
            }
        }
        out.append(quote);
    }
}

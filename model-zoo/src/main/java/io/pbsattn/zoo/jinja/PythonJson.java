package io.pbsattn.zoo.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Writes values as Python's {@code json.dumps} does. */
final class PythonJson {

    private final boolean ascii;
    private final String indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final boolean sorted;
    private final TextBuilder out;

    private PythonJson(Arguments arguments) {
        ascii = arguments.flag("ensure_ascii", false);
        indent = indent(arguments, arguments.take("indent", null));
        Object separators = arguments.take("separators", null);
        sorted = arguments.flag("sort_keys", false);
        String item = indent == null ? ", " : ",";
        String key = ": ";
        if (separators != null) {
            List<Object> pair = Sequences.list(separators, arguments.budget());
            if (pair.size() != 2) {
                throw arguments.error("separators", "expected two of them");
            }
            item = arguments.asText("separators", pair.get(0));
            key = arguments.asText("separators", pair.get(1));
        }
        itemSeparator = item;
        keySeparator = key;
        out = new TextBuilder(arguments.budget());
    }

    private static String indent(Arguments arguments, Object indent) {
        if (indent == null || Text.is(indent)) {
            return indent == null ? null : Text.of(indent);
        }
        long width = Numbers.index(indent, "tojson: argument 'indent'");
        return new TextBuilder(arguments.budget()).repeat(" ", width).toString();
    }

    /** The filter {@code tojson} as transformers defines it. */
    static Object filter(Object value, Arguments arguments) {
        PythonJson json = new PythonJson(arguments);
        json.write(value, 0);
        return json.out.toString();
    }

    /** A text with escapes for all characters beyond ASCII, as {@code ascii()} has them. */
    static String ascii(String text, Budget budget) {
        TextBuilder out = new TextBuilder(budget);
        for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
            int c = text.codePointAt(i);
            if (c < 0x80) {
                out.append(c);
            } else {
                out.append(
                        String.format(
                                c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c));
            }
        }
        return out.toString();
    }

    private void write(Object value, int depth) {
        out.budget().enter();
        if (value == null || value instanceof Boolean || Numbers.is(value)) {
            out.append(scalar(value));
        } else if (Text.is(value)) {
            string(Text.of(value));
        } else if (value instanceof List<?> list && !(value instanceof Range)) {
            out.append("[");
            for (int i = 0; i < list.size(); ++i) {
                beginItem(i, depth + 1);
                write(list.get(i), depth + 1);
            }
            end("]", list.isEmpty(), depth);
        } else if (value instanceof Dict dict) {
            out.append("{");
            int i = 0;
            for (Map.Entry<Object, Object> entry : entries(dict)) {
                beginItem(i++, depth + 1);
                string(key(entry.getKey()));
                out.append(keySeparator);
                write(entry.getValue(), depth + 1);
            }
            end("}", i == 0, depth);
        } else {
            throw new JinjaException("tojson: cannot write " + Values.describe(value));
        }
        out.budget().leave();
    }

    private List<Map.Entry<Object, Object>> entries(Dict dict) {
        List<Map.Entry<Object, Object>> entries = new ArrayList<>(dict.entries());
        if (sorted) {
            out.budget().items(entries.size());
            entries.sort((a, b) -> Equality.compare(a.getKey(), b.getKey(), out.budget()));
        }
        return entries;
    }

    private String scalar(Object value) {
        if (value instanceof Double d) {
            String text = FloatText.of(d, out.budget());
            return text.equals("nan") ? "NaN" : text.replace("inf", "Infinity");
        }
        return value instanceof BigInteger big
                ? Numbers.digits(big, out.budget())
                : String.valueOf(value);
    }

    private String key(Object key) {
        if (Text.is(key)) {
            return Text.of(key);
        } else if (key == null || Numbers.is(key)) {
            return scalar(key);
        }
        throw new JinjaException("tojson: cannot write a key that is " + Values.describe(key));
    }

    private void beginItem(int index, int depth) {
        out.append(index == 0 ? "" : itemSeparator);
        newLine(depth);
    }

    private void end(String bracket, boolean empty, int depth) {
        if (!empty) {
            newLine(depth);
        }
        out.append(bracket);
    }

    private void newLine(int depth) {
        if (indent != null) {
            out.append("\n").repeat(indent, depth);
        }
    }

    private void string(String text) {
        out.append("\"");
        for (int i = 0; i < text.length(); ++i) {
            char c = text.charAt(i);
            int plain = "\n\r\t\b\f".indexOf(c);
            if (plain >= 0) {
                out.append("\\").append("nrtbf".charAt(plain));
            } else if (c == '"' || c == '\\') {
                out.append("\\").append(c);
            } else if (c < ' ' || (ascii && c > '~')) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(text, i, i + 1);
            }
        }
        out.append("\"");
    }
}

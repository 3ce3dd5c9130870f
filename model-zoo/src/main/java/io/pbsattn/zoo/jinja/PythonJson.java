package io.pbsattn.zoo.jinja;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Writes values as Python's {@code json.dumps} does. */
final class PythonJson {

    private final boolean ascii;
    private final String indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final boolean sorted;
    private final StringBuilder out = new StringBuilder();

    private PythonJson(
            boolean ascii,
            String indent,
            String itemSeparator,
            String keySeparator,
            boolean sorted) {
        this.ascii = ascii;
        this.indent = indent;
        this.itemSeparator = itemSeparator;
        this.keySeparator = keySeparator;
        this.sorted = sorted;
    }

    /** The filter {@code tojson} as transformers defines it. */
    static String filter(Object value, Arguments arguments) {
        boolean ascii = arguments.flag("ensure_ascii", false);
        Object indent = arguments.take("indent", null);
        Object separators = arguments.take("separators", null);
        boolean sorted = arguments.flag("sort_keys", false);
        String item = indent == null ? ", " : ",";
        String key = ": ";
        if (separators != null) {
            List<Object> pair = Python.items(separators);
            if (pair.size() != 2) {
                throw new JinjaException("tojson: expected two separators");
            }
            item = pair.get(0).toString();
            key = pair.get(1).toString();
        }
        String margin =
                indent == null
                        ? null
                        : indent instanceof String
                                ? indent.toString()
                                : " ".repeat((int) Python.integer(indent, "tojson: indent"));
        PythonJson json = new PythonJson(ascii, margin, item, key, sorted);
        json.write(value, 0);
        return json.out.toString();
    }

    private void write(Object value, int depth) {
        if (value == null || value instanceof Boolean || value instanceof Long) {
            out.append(String.valueOf(value));
        } else if (value instanceof Double d) {
            out.append(number(d));
        } else if (value instanceof String text) {
            string(text);
        } else if (value instanceof List) {
            List<?> list = (List<?>) value;
            out.append("[");
            for (int i = 0; i < list.size(); ++i) {
                beginItem(i, depth + 1);
                write(list.get(i), depth + 1);
            }
            end("]", list.isEmpty(), depth);
        } else if (value instanceof Map) {
            Map<?, ?> map = sorted ? new TreeMap<>((Map<?, ?>) value) : (Map<?, ?>) value;
            out.append("{");
            int i = 0;
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                beginItem(i++, depth + 1);
                string(key(entry.getKey()));
                out.append(keySeparator);
                write(entry.getValue(), depth + 1);
            }
            end("}", map.isEmpty(), depth);
        } else {
            throw new JinjaException("tojson: cannot write " + Python.typeName(value));
        }
    }

    private static String number(double value) {
        String text = Python.floatText(value);
        return text.equals("nan") ? "NaN" : text.replace("inf", "Infinity");
    }

    private static String key(Object key) {
        if (key instanceof String text) {
            return text;
        }
        if (key == null || key instanceof Boolean) {
            return String.valueOf(key);
        }
        return Python.text(key);
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
            out.append("\n").append(indent.repeat(depth));
        }
    }

    private void string(String text) {
        out.append("\"");
        for (int i = 0; i < text.length(); ++i) {
            char c = text.charAt(i);
            int plain = "\n\r\t\b\f".indexOf(c);
            if (plain >= 0) {
                out.append("\\").append("nrtbf".substring(plain, plain + 1));
            } else if (c == '"' || c == '\\') {
                out.append("\\").append(text.substring(i, i + 1));
            } else if (c < ' ' || (ascii && c > '~')) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(text.substring(i, i + 1));
            }
        }
        out.append("\"");
    }
}

package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Python's {@code pprint}: {@link Repr} in lines of 80 characters, with the keys of dicts sorted.
 */
final class PrettyPrint {

    private static final int WIDTH = 80;

    private final TextBuilder out;
    private final Budget budget;

    private PrettyPrint(Budget budget) {
        this.budget = budget;
        out = new TextBuilder(budget);
    }

    static String of(Object value, Budget budget) {
        PrettyPrint print = new PrettyPrint(budget);
        print.write(print.sorted(value), 0, 0, true);
        return print.out.toString();
    }

    /** A value whose dicts have sorted keys. */
    private Object sorted(Object value) {
        budget.enter();
        Object result = value;
        if (value instanceof Dict dict) {
            Dict sorted = new Dict(budget);
            List<Map.Entry<Object, Object>> entries = new ArrayList<>(dict.entries());
            entries.sort((a, b) -> compare(a.getKey(), b.getKey()));
            entries.forEach(entry -> sorted.put(entry.getKey(), sorted(entry.getValue())));
            result = sorted;
        } else if (value instanceof List<?> list
                && !(value instanceof Range)
                && !(value instanceof Group)) {
            budget.items(list.size());
            List<Object> items = new ArrayList<>();
            list.forEach(item -> items.add(sorted(item)));
            result = value instanceof Tuple ? new Tuple(items) : items;
        }
        budget.leave();
        return result;
    }

    /** Keys that have no order are sorted by their types. */
    private int compare(Object a, Object b) {
        boolean haveOrder = (Text.is(a) && Text.is(b)) || (Numbers.is(a) && Numbers.is(b));
        return haveOrder ? Equality.compare(a, b, budget) : type(a).compareTo(type(b));
    }

    private static String type(Object key) {
        if (key == null) {
            return "NoneType";
        } else if (Text.is(key)) {
            return "str";
        } else if (key instanceof Tuple) {
            return "tuple";
        }
        return key instanceof Double ? "float" : key instanceof Boolean ? "bool" : "int";
    }

    /**
     * Writes a value.
     *
     * @param value the value
     * @param indent how far its lines are indented
     * @param allowance how much stands behind it in its last line
     * @param outermost whether it is in no other value
     */
    private void write(Object value, int indent, int allowance, boolean outermost) {
        String text = Repr.of(value, budget);
        if (Text.length(text) <= WIDTH - indent - allowance) {
            out.append(text);
        } else if (value instanceof Dict dict) {
            writeDict(dict, indent + 1, allowance + 1);
        } else if (value instanceof Tuple tuple && !(value instanceof Group)) {
            String close = tuple.size() == 1 ? ",)" : ")";
            writeItems("(", tuple, close, indent + 1, allowance + close.length());
        } else if (value instanceof List<?> list
                && !(value instanceof Range)
                && !(value instanceof Group)) {
            writeItems("[", list, "]", indent + 1, allowance + 1);
        } else if (value instanceof String string && !string.isEmpty()) {
            writeString(string, indent, allowance, outermost);
        } else {
            out.append(text);
        }
    }

    private void newLine(int indent) {
        out.append("\n").repeat(" ", indent);
    }

    private void writeItems(String open, List<?> items, String close, int indent, int allowance) {
        out.append(open);
        for (int i = 0; i < items.size(); ++i) {
            if (i > 0) {
                out.append(",");
                newLine(indent);
            }
            write(items.get(i), indent, i == items.size() - 1 ? allowance : 1, false);
        }
        out.append(close);
    }

    private void writeDict(Dict dict, int indent, int allowance) {
        out.append("{");
        int i = 0;
        for (Map.Entry<Object, Object> entry : dict.entries()) {
            if (i > 0) {
                out.append(",");
                newLine(indent);
            }
            String key = Repr.of(entry.getKey(), budget);
            out.append(key).append(": ");
            int inner = indent + Text.length(key) + 2;
            write(entry.getValue(), inner, ++i == dict.size() ? allowance : 1, false);
        }
        out.append("}");
    }

    private void writeString(String string, int indent, int allowance, boolean outermost) {
        int inner = indent + (outermost ? 1 : 0);
        List<String> chunks = chunks(string, inner, allowance + (outermost ? 1 : 0));
        if (chunks.size() == 1) {
            out.append(chunks.get(0));
            return;
        }
        out.append(outermost ? "(" : "");
        for (int i = 0; i < chunks.size(); ++i) {
            if (i > 0) {
                newLine(inner);
            }
            out.append(chunks.get(i));
        }
        out.append(outermost ? ")" : "");
    }

    /** A long string as several: its lines, and where those are long groups of their words. */
    private List<String> chunks(String string, int indent, int allowance) {
        List<String> chunks = new ArrayList<>();
        List<Object> lines = StringMethods.lines(string, true, budget);
        for (int i = 0; i < lines.size(); ++i) {
            String line = (String) lines.get(i);
            boolean isLast = i == lines.size() - 1;
            String text = Repr.of(line, budget);
            if (Text.length(text) <= WIDTH - indent - (isLast ? allowance : 0)) {
                chunks.add(text);
            } else {
                addWords(chunks, line, indent, isLast ? allowance : 0);
            }
        }
        return chunks;
    }

    private void addWords(List<String> chunks, String line, int indent, int allowance) {
        String current = "";
        int from = 0;
        while (from < line.length()) {
            int end = wordEnd(line, from);
            int room = WIDTH - indent - (end == line.length() ? allowance : 0);
            String candidate = current + line.substring(from, end);
            budget.characters(candidate.length());
            if (Text.length(Repr.of(candidate, budget)) > room) {
                if (!current.isEmpty()) {
                    chunks.add(Repr.of(current, budget));
                }
                current = line.substring(from, end);
            } else {
                current = candidate;
            }
            from = end;
        }
        if (!current.isEmpty()) {
            chunks.add(Repr.of(current, budget));
        }
    }

    /** The end of a word and the white space behind it. */
    private static int wordEnd(String line, int from) {
        int end = from;
        while (end < line.length() && !Characters.isSpace(line.charAt(end))) {
            ++end;
        }
        while (end < line.length() && Characters.isSpace(line.charAt(end))) {
            ++end;
        }
        return end;
    }
}

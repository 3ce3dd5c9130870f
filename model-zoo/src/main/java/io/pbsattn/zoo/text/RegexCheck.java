package io.pbsattn.zoo.text;

import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Refuses regular expressions that could keep the native library busy without end. It gives up a
 * match after ten million steps back, and then ends the process. Nested repetition gets there with
 * some dozen characters; recursion and large counts take the stack and the memory.
 */
final class RegexCheck {

    private static final int MAX_LENGTH = 20_000;
    private static final int MAX_DEPTH = 32;
    private static final int MAX_COUNT = 1000;

    /** What a pattern is when its counts are written out. */
    private static final long MAX_SIZE = 1_000_000;

    private final String where;
    private final String regex;
    private final Deque<Group> groups = new ArrayDeque<>();
    private int position;

    private RegexCheck(String where, String regex) {
        this.where = where;
        this.regex = regex;
    }

    /** What is known of a group that is still open. */
    private static final class Group {

        private long size;

        /** The size of the last item, which a quantifier repeats. */
        private long last;

        private boolean repeats;
        private boolean lastRepeats;

        void add(long itemSize, boolean itemRepeats) {
            size += itemSize;
            last = itemSize;
            repeats |= itemRepeats;
            lastRepeats = itemRepeats;
        }
    }

    /**
     * Checks an expression.
     *
     * @param where it stands: file and key
     * @throws CheckpointException if it is too large or repeats a repetition
     */
    static void check(String where, String regex) throws CheckpointException {
        new RegexCheck(where, regex).run();
    }

    private void run() throws CheckpointException {
        if (regex.length() > MAX_LENGTH) {
            throw refused("at most " + MAX_LENGTH + " characters");
        }
        groups.push(new Group());
        while (position < regex.length()) {
            switch (regex.charAt(position)) {
                case '\\' -> escape();
                case '[' -> characterClass();
                case '(' -> open();
                case ')' -> close();
                case '*', '+' -> quantifier(1, true);
                case '?' -> quantifier(1, false);
                case '{' -> braces();
                default -> {
                    groups.peek().add(1, false);
                    ++position;
                }
            }
        }
    }

    private void escape() throws CheckpointException {
        String rest = regex.substring(position + 1);
        if (rest.startsWith("g") || rest.startsWith("k") || rest.matches("(?s)[1-9].*")) {
            throw refused("no references to groups");
        }
        position += 2;
        boolean hasBraces = rest.startsWith("p{") || rest.startsWith("P{") || rest.startsWith("x{");
        if (hasBraces) {
            int end = regex.indexOf('}', position);
            position = end < 0 ? regex.length() : end + 1;
        }
        groups.peek().add(1, false);
    }

    private void characterClass() throws CheckpointException {
        int depth = 0;
        do {
            char c = position < regex.length() ? regex.charAt(position) : ']';
            if (c == '\\') {
                ++position;
            } else if (c == '[') {
                ++depth;
            } else if (c == ']') {
                --depth;
            }
            if (depth > MAX_DEPTH) {
                throw refused("groups at most " + MAX_DEPTH + " deep");
            }
            ++position;
        } while (depth > 0);
        groups.peek().add(1, false);
    }

    private void open() throws CheckpointException {
        if (regex.startsWith("(?#", position)) {
            int end = regex.indexOf(')', position);
            position = end < 0 ? regex.length() : end + 1;
            return;
        }
        boolean isSpecial =
                regex.startsWith("(*", position)
                        || regex.startsWith("(?~", position)
                        || regex.startsWith("(?{", position)
                        || regex.startsWith("(?(", position)
                        || regex.startsWith("(?R", position)
                        || regex.startsWith("(?&", position);
        if (isSpecial) {
            throw refused("no calls, conditions or absent groups");
        }
        groups.push(new Group());
        if (groups.size() > MAX_DEPTH) {
            throw refused("groups at most " + MAX_DEPTH + " deep");
        }
        ++position;
        if (regex.startsWith("?", position)) {
            ++position; // begins the group's kind, and repeats nothing
        }
    }

    private void close() {
        ++position;
        if (groups.size() > 1) {
            Group group = groups.pop();
            groups.peek().add(group.size + 1, group.repeats);
        }
    }

    /** {n}, {n,}, {,m} or {n,m}; anything else in braces is text. */
    private void braces() throws CheckpointException {
        int end = regex.indexOf('}', position);
        String counts = end < 0 ? "" : regex.substring(position + 1, end);
        if (!counts.matches("\\d+(,\\d*)?|,\\d+")) {
            groups.peek().add(1, false);
            ++position;
            return;
        }
        long largest = 1;
        for (String count : counts.split(",", -1)) {
            if (count.length() > 4) {
                throw refused("counts of at most " + MAX_COUNT);
            }
            largest = Math.max(largest, count.isEmpty() ? 0 : Long.parseLong(count));
        }
        if (largest > MAX_COUNT) {
            throw refused("counts of at most " + MAX_COUNT);
        }
        position = end;
        quantifier(largest, counts.endsWith(","));
    }

    private void quantifier(long count, boolean isUnbounded) throws CheckpointException {
        ++position;
        Group group = groups.peek();
        if (isUnbounded && group.lastRepeats) {
            throw refused("no repetition of what repeats itself");
        }
        group.size += group.last * (count - 1);
        group.last *= count;
        group.repeats |= isUnbounded;
        if (group.size > MAX_SIZE) {
            throw refused("smaller counts");
        }
        // What comes behind a quantifier only says how it repeats: a?? a*+
        while (position < regex.length() && "?+".indexOf(regex.charAt(position)) >= 0) {
            ++position;
        }
        group.lastRepeats |= isUnbounded;
    }

    private CheckpointException refused(String expected) {
        String shown = regex.length() > 100 ? regex.substring(0, 100) + "..." : regex;
        return new CheckpointException(
                where + ": regular expression '" + shown + "': expected " + expected);
    }
}

package io.pbsattn.zoo.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** Breaks lines as Python's {@code textwrap} does. */
final class WordWrap {

    private final long width;
    private final boolean breaksWords;
    private final boolean breaksHyphens;
    private final Budget budget;

    WordWrap(long width, boolean breaksWords, boolean breaksHyphens, Budget budget) {
        if (width <= 0) {
            throw new JinjaException("wordwrap: expected a width above zero");
        }
        this.width = width;
        this.breaksWords = breaksWords;
        this.breaksHyphens = breaksHyphens;
        this.budget = budget;
    }

    /** The lines that a line becomes. */
    List<Object> wrap(String text) {
        Deque<String> chunks = chunks(text);
        List<Object> lines = new ArrayList<>();
        while (!chunks.isEmpty()) {
            if (isBlank(chunks.peek()) && !lines.isEmpty()) {
                chunks.remove();
            }
            List<String> line = line(chunks);
            if (!line.isEmpty() && isBlank(line.get(line.size() - 1))) {
                line.remove(line.size() - 1);
            }
            if (!line.isEmpty()) {
                budget.items(1);
                lines.add(String.join("", line));
            }
        }
        return lines;
    }

    private List<String> line(Deque<String> chunks) {
        List<String> line = new ArrayList<>();
        long length = 0;
        while (!chunks.isEmpty() && length + Text.length(chunks.peek()) <= width) {
            length += Text.length(chunks.peek());
            line.add(chunks.remove());
        }
        if (!chunks.isEmpty() && Text.length(chunks.peek()) > width) {
            if (breaksWords) {
                String chunk = chunks.remove();
                budget.characters(chunk.length());
                int end = end(chunk, width - length);
                line.add(chunk.substring(0, end));
                if (end < chunk.length()) {
                    chunks.push(chunk.substring(end));
                }
            } else if (line.isEmpty()) {
                line.add(chunks.remove());
            }
        }
        return line;
    }

    /** Where a long word is broken: behind its last hyphen, if there is one. */
    private int end(String chunk, long room) {
        int end = Text.index(chunk, room);
        int hyphen = breaksHyphens ? chunk.lastIndexOf('-', end - 1) : -1;
        boolean breaks =
                hyphen > 0 && end > 0 && chunk.substring(0, hyphen).chars().anyMatch(c -> c != '-');
        return breaks ? hyphen + 1 : end;
    }

    private static boolean isBlank(String chunk) {
        return Characters.stripEnd(chunk, chunk.length()) == 0;
    }

    /** Cuts a text at white space, and in words behind hyphens. */
    private Deque<String> chunks(String text) {
        Deque<String> chunks = new ArrayDeque<>();
        int from = 0;
        for (int i = 1; i <= text.length(); ++i) {
            if (i == text.length() || isBreak(text, i)) {
                budget.items(1);
                chunks.add(text.substring(from, i));
                from = i;
            }
        }
        return chunks;
    }

    private boolean isBreak(String text, int i) {
        boolean blank = isSpace(text.charAt(i));
        boolean afterBlank = isSpace(text.charAt(i - 1));
        if (blank || afterBlank) {
            return blank != afterBlank;
        }
        return breaksHyphens && (isBehindHyphen(text, i) || isAtDash(text, i));
    }

    private static boolean isSpace(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
    }

    /** Behind the hyphen of a word such as {@code goof-ball}. */
    private static boolean isBehindHyphen(String text, int i) {
        boolean before =
                text.charAt(i - 1) == '-'
                        && isLetter(text, i - 2)
                        && (isLetter(text, i - 3)
                                || (isAt(text, i - 3, '-') && isLetter(text, i - 4)));
        return before
                && isLetter(text, i)
                && (isLetter(text, i + 1) || (isAt(text, i + 1, '-') && isLetter(text, i + 2)));
    }

    /** At the beginning or the end of two hyphens or more between words. */
    private static boolean isAtDash(String text, int i) {
        int start = i;
        while (start > 0 && text.charAt(start - 1) == '-') {
            --start;
        }
        int end = i;
        while (end < text.length() && text.charAt(end) == '-') {
            ++end;
        }
        boolean isEdge = (i == start || i == end) && end - start >= 2;
        return isEdge && start > 0 && isWord(text, start - 1) && isPart(text, end);
    }

    private static boolean isAt(String text, int i, char c) {
        return i >= 0 && i < text.length() && text.charAt(i) == c;
    }

    private static boolean isLetter(String text, int i) {
        return i >= 0
                && i < text.length()
                && (text.charAt(i) == '_' || Characters.isAlphanumeric(text.charAt(i)))
                && !Characters.isDecimal(text.charAt(i));
    }

    private static boolean isPart(String text, int i) {
        return i < text.length()
                && (text.charAt(i) == '_' || Characters.isAlphanumeric(text.charAt(i)));
    }

    private static boolean isWord(String text, int i) {
        return isPart(text, i) || "!\"'&.,?".indexOf(text.charAt(i)) >= 0;
    }
}

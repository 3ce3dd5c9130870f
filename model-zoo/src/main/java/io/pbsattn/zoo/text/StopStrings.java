package io.pbsattn.zoo.text;

import java.util.List;

/**
 * Watches a text that comes in pieces for strings that end it. What may be the beginning of such a
 * string is held back until it is clear that it is not. The string that is complete first ends the
 * text, of several the longest, so that the result does not depend on where the pieces begin.
 */
public final class StopStrings {

    private final List<String> strings;
    private final StringBuilder held = new StringBuilder();
    private boolean found;

    /**
     * Constructs the search.
     *
     * @param strings none of them empty
     */
    public StopStrings(List<String> strings) {
        this.strings = strings;
    }

    /**
     * Tells whether a stop string has come.
     *
     * @return true from then on
     */
    public boolean found() {
        return found;
    }

    /**
     * Takes the next piece.
     *
     * @param piece of the text
     * @return what can go out: it is not part of any string that ends the text
     */
    public String accept(String piece) {
        if (found) {
            return "";
        }
        held.append(piece);
        int end = Integer.MAX_VALUE;
        int begin = 0;
        for (String string : strings) {
            int at = held.indexOf(string);
            int after = at + string.length();
            if (at >= 0 && (after < end || (after == end && at < begin))) {
                begin = at;
                end = after;
                found = true;
            }
        }
        return release(found ? begin : held.length() - possibleBeginning());
    }

    /**
     * Ends the text.
     *
     * @return what was held back
     */
    public String finish() {
        return found ? "" : release(held.length());
    }

    private String release(int length) {
        String text = held.substring(0, length);
        held.delete(0, length);
        return text;
    }

    /** The length of the longest end of the text that a string begins with. */
    private int possibleBeginning() {
        int longest = 0;
        for (String string : strings) {
            for (int length = Math.min(string.length() - 1, held.length());
                    length > longest;
                    --length) {
                if (string.startsWith(held.substring(held.length() - length))) {
                    longest = length;
                }
            }
        }
        return longest;
    }
}

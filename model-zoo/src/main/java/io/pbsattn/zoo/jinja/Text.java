package io.pbsattn.zoo.jinja;

import java.util.BitSet;

/**
 * A string that knows which of its characters came from outside the template. A template may cut,
 * join and compare such strings as it likes: every character keeps its origin, so that what a user
 * wrote can never pass for what the template wrote.
 *
 * <p>Equality is that of the characters; their origin does not count.
 */
public final class Text implements Comparable<Text> {

    private static final BitSet NONE = new BitSet();

    private final String value;
    private final BitSet outside;

    private Text(String value, BitSet outside) {
        this.value = value;
        this.outside = outside;
    }

    /**
     * Makes a text of the template's own.
     *
     * @param value the characters
     * @return the text
     */
    public static Text of(String value) {
        return new Text(value, NONE);
    }

    /**
     * Makes a text that came from outside the template.
     *
     * @param value the characters
     * @return the text
     */
    public static Text outside(String value) {
        BitSet all = new BitSet();
        all.set(0, value.length());
        return new Text(value, all);
    }

    /**
     * Says where a character came from.
     *
     * @param index a position in {@link #toString()}
     * @return true if it came from outside the template
     */
    public boolean isOutside(int index) {
        return outside.get(index);
    }

    /**
     * Says whether some of a range came from outside.
     *
     * @param from first position
     * @param to position behind the last
     * @return true if at least one character of it did
     */
    public boolean anyOutside(int from, int to) {
        int next = outside.nextSetBit(from);
        return next >= 0 && next < to;
    }

    /** The length in UTF-16 units, as positions are counted here. */
    int length() {
        return value.length();
    }

    boolean isEmpty() {
        return value.isEmpty();
    }

    Text substring(int from, int to) {
        return new Text(value.substring(from, to), outside.get(from, to));
    }

    Text substring(int from) {
        return substring(from, value.length());
    }

    Text plus(Text other) {
        return new Builder().append(this).append(other).build();
    }

    /**
     * Gives other characters the origin of these: one to one, or else all from outside if one was.
     */
    Text mapped(String changed) {
        if (changed.length() == value.length()) {
            return new Text(changed, outside);
        }
        return outside.isEmpty() ? of(changed) : outside(changed);
    }

    /** {@inheritDoc} */
    @Override
    public int compareTo(Text other) {
        return value.compareTo(other.value);
    }

    /** {@inheritDoc} */
    @Override
    public boolean equals(Object other) {
        return other instanceof Text text && value.equals(text.value);
    }

    /** {@inheritDoc} */
    @Override
    public int hashCode() {
        return value.hashCode();
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return value;
    }

    /** Joins texts. */
    static final class Builder {

        private final StringBuilder value = new StringBuilder();
        private final BitSet outside = new BitSet();

        Builder append(Text text) {
            int offset = value.length();
            for (int from = text.outside.nextSetBit(0); from >= 0; ) {
                int to = text.outside.nextClearBit(from);
                outside.set(offset + from, offset + to);
                from = text.outside.nextSetBit(to);
            }
            value.append(text.value);
            return this;
        }

        Builder append(String own) {
            value.append(own);
            return this;
        }

        Text build() {
            return new Text(value.toString(), outside);
        }
    }
}

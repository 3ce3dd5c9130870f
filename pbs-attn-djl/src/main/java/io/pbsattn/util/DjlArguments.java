package io.pbsattn.util;

/**
 * Reads the values of DJL arguments: text, as {@code serving.properties} has them, or numbers and
 * flags, as code and requests give them. What cannot be read is refused with {@code key: expected
 * ..., found '...'}.
 */
public final class DjlArguments {

    /** A double holds all whole numbers up to here. */
    private static final double MAX_EXACT = 1L << 53;

    private DjlArguments() {}

    /**
     * Reads a flag.
     *
     * @param key names the argument in the message
     * @param value {@code true} or {@code false}
     * @return the flag
     * @throws IllegalArgumentException if it is neither
     */
    public static boolean flag(String key, Object value) {
        String text = String.valueOf(value);
        if (!"true".equals(text) && !"false".equals(text)) {
            throw unexpected(key, "true or false", value);
        }
        return "true".equals(text);
    }

    /**
     * Reads a number.
     *
     * @param key names the argument in the message
     * @param expected what it should be, such as {@code a number}
     * @param value the number
     * @return the number, which is finite
     * @throws IllegalArgumentException if it is no finite number
     */
    public static double number(String key, String expected, Object value) {
        double number;
        try {
            number = Double.parseDouble(String.valueOf(value));
        } catch (NumberFormatException e) {
            throw unexpected(key, expected, value);
        }
        if (!Double.isFinite(number)) {
            throw unexpected(key, expected, value);
        }
        return number;
    }

    /**
     * Reads a whole number.
     *
     * @param key names the argument in the message
     * @param expected what it should be, such as {@code a whole number}
     * @param value the number; {@code 3.0} is one too, since JSON libraries make a double of any
     * @return the number
     * @throws IllegalArgumentException if it is none, or beyond what a long holds
     */
    public static long wholeNumber(String key, String expected, Object value) {
        try {
            return Long.parseLong(String.valueOf(value));
        } catch (NumberFormatException e) {
            double number = number(key, expected, value);
            if (number != Math.rint(number) || Math.abs(number) > MAX_EXACT) {
                throw unexpected(key, expected, value);
            }
            return (long) number;
        }
    }

    /**
     * Reads a whole number that an int holds.
     *
     * @param key names the argument in the message
     * @param expected what it should be, such as {@code a number of tokens}
     * @param value the number; {@code 3.0} is one too
     * @return the number
     * @throws IllegalArgumentException if it is none, or beyond what an int holds
     */
    public static int integer(String key, String expected, Object value) {
        long number = wholeNumber(key, expected, value);
        if (number != (int) number) {
            throw unexpected(key, expected, value);
        }
        return (int) number;
    }

    private static IllegalArgumentException unexpected(String key, String expected, Object value) {
        return new IllegalArgumentException(
                key + ": expected " + expected + ", found '" + value + "'");
    }
}

package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;

/**
 * Python's numbers: {@code Boolean}, {@code Double}, and integers of any size, which are {@code
 * Long} where they fit and {@code BigInteger} where not.
 */
final class Numbers {

    /** The size of the largest integers. */
    static final int MOST_BITS = 1 << 16;

    /** Python reads and writes no longer integers. */
    static final int MOST_DIGITS = 4300;

    /** All integers up to this size are floats too. */
    static final int EXACT_BITS = 53;

    private static final double EXACT = 0x1p53;

    /** What the exact decimal form of a number costs. */
    private static final int ROUNDING = 200;

    private static final BigInteger LONGEST_TEXT = BigInteger.TEN.pow(MOST_DIGITS);

    private Numbers() {}

    static boolean is(Object value) {
        return value instanceof Number || value instanceof Boolean;
    }

    static boolean isInteger(Object value) {
        return value instanceof Long || value instanceof BigInteger || value instanceof Boolean;
    }

    static Object integer(BigInteger value) {
        return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
    }

    static BigInteger big(Object integer) {
        if (integer instanceof BigInteger big) {
            return big;
        }
        return BigInteger.valueOf(small(integer));
    }

    /** An integer that is not large. */
    static long small(Object integer) {
        return integer instanceof Boolean b ? b ? 1 : 0 : (Long) integer;
    }

    static double real(Object number) {
        if (number instanceof Double d) {
            return d;
        } else if (number instanceof BigInteger big) {
            double value = big.doubleValue();
            if (Double.isInfinite(value)) {
                throw new JinjaException("an integer is too large for a float");
            }
            return value;
        }
        return small(number);
    }

    /** An integer that an index or an argument needs; larger ones than a long are the largest. */
    static long index(Object value, String what) {
        if (!isInteger(value)) {
            throw value instanceof Undefined undefined
                    ? undefined.error()
                    : new JinjaException(
                            what + ": expected an integer, found " + Values.describe(value));
        }
        if (value instanceof BigInteger big) {
            return big.signum() < 0 ? Long.MIN_VALUE : Long.MAX_VALUE;
        }
        return small(value);
    }

    /** An integer's text. */
    static String digits(BigInteger value, Budget budget) {
        budget.bits(value.bitLength());
        if (value.abs().compareTo(LONGEST_TEXT) >= 0) {
            throw new JinjaException("an integer of more than " + MOST_DIGITS + " digits");
        }
        return value.toString();
    }

    /** What equal numbers have in common as keys of a dict. */
    static Object key(Object value) {
        if (value instanceof Double d && d == Math.rint(d) && !Double.isInfinite(d)) {
            return truncate(d);
        }
        return value instanceof Boolean ? (Object) small(value) : value;
    }

    static boolean equal(Object a, Object b) {
        boolean isNan = Equality.isNan(a) || Equality.isNan(b);
        return !isNan && compare(a, b) == 0;
    }

    /** The order of two numbers; any for those that are none. */
    static int compare(Object a, Object b) {
        if (a instanceof Double x) {
            return b instanceof Double y ? order(x, y) : -order(big(b), x);
        }
        return b instanceof Double y ? order(big(a), y) : big(a).compareTo(big(b));
    }

    private static int order(double x, double y) {
        return x < y ? -1 : x == y ? 0 : 1;
    }

    /** Exactly, though a float has not all integers. */
    private static int order(BigInteger x, double y) {
        boolean isSmall = x.bitLength() <= EXACT_BITS;
        if (isSmall || Double.isInfinite(y)) {
            return order(isSmall ? x.doubleValue() : 0, y);
        }
        return Math.abs(y) < EXACT ? x.signum() : x.compareTo(new BigDecimal(y).toBigInteger());
    }

    /** Python's {@code int(value)} of a float. */
    static Object truncate(double value) {
        if (!Double.isFinite(value)) {
            throw new JinjaException("'" + value + "' is no integer");
        } else if (Math.abs(value) < EXACT) {
            return (long) value;
        }
        return integer(new BigDecimal(value).toBigInteger());
    }

    /** Python's {@code round}: half to even, of the exact value. */
    static Object round(Object value, long digits, Budget budget) {
        budget.steps(ROUNDING);
        if (isInteger(value)) {
            if (digits >= 0) {
                return value instanceof Boolean ? (Object) small(value) : value;
            }
            BigDecimal rounded =
                    new BigDecimal(big(value))
                            .setScale((int) Math.max(digits, -MOST_BITS), RoundingMode.HALF_EVEN);
            return integer(rounded.toBigInteger());
        }
        double number = real(value);
        if (!Double.isFinite(number) || digits > 400) {
            return number;
        }
        double rounded =
                new BigDecimal(number)
                        .setScale((int) Math.max(digits, -400), RoundingMode.HALF_EVEN)
                        .doubleValue();
        return Math.copySign(rounded, number);
    }
}

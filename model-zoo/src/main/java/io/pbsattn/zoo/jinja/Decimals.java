package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;

/** The forms {@code f}, {@code e} and {@code g} of numbers, without a sign. */
final class Decimals {

    private static final long MOST_DIGITS = 100_000;

    /** What the exact decimal form of a float costs. */
    private static final int STEPS = 200;

    private Decimals() {}

    /** Checks a number of digits before they are made. */
    static int digits(long precision, Budget budget) {
        if (precision > MOST_DIGITS) {
            throw new JinjaException("a number of more than " + MOST_DIGITS + " digits");
        }
        budget.characters(precision);
        budget.steps(STEPS);
        return (int) precision;
    }

    /**
     * A number in one of the forms.
     *
     * @param value what is not negative
     * @param form {@code f}, {@code e} or {@code g}, or one of them in upper case
     * @param precision digits behind the point, or all digits
     * @param alternate whether a point is always there, and {@code g} keeps zeros
     */
    static String format(double value, char form, int precision, boolean alternate) {
        String text;
        if (!Double.isFinite(value)) {
            text = Double.isNaN(value) ? "nan" : "inf";
        } else {
            BigDecimal exact = new BigDecimal(value);
            text =
                    switch (Character.toLowerCase(form)) {
                        case 'f' -> fixed(exact, precision, alternate);
                        case 'e' -> scientific(exact, precision, alternate);
                        default -> general(exact, Math.max(1, precision), alternate, 0);
                    };
        }
        return Character.isUpperCase(form) ? Characters.upper(text) : text;
    }

    /**
     * The form {@code g} of a format that names no form: with at least one digit behind a point.
     */
    static String plain(double value, int precision, boolean alternate) {
        if (!Double.isFinite(value)) {
            return format(value, 'g', precision, false);
        }
        String text = general(new BigDecimal(value), Math.max(1, precision), alternate, 1);
        return text.indexOf('.') < 0 && text.indexOf('e') < 0 ? text + ".0" : text;
    }

    private static String fixed(BigDecimal value, int precision, boolean alternate) {
        String text = value.setScale(precision, RoundingMode.HALF_EVEN).toPlainString();
        return precision == 0 && alternate ? text + "." : text;
    }

    private static BigDecimal round(BigDecimal value, int digits) {
        return value.round(new MathContext(digits, RoundingMode.HALF_EVEN));
    }

    /** The power of ten of a number's first digit. */
    private static int exponent(BigDecimal value) {
        return value.signum() == 0 ? 0 : value.precision() - value.scale() - 1;
    }

    private static String scientific(BigDecimal value, int precision, boolean alternate) {
        BigDecimal rounded = round(value, precision + 1);
        int exponent = exponent(rounded);
        BigInteger digits =
                rounded.movePointLeft(exponent)
                        .setScale(precision, RoundingMode.HALF_EVEN)
                        .unscaledValue();
        String text = new BigDecimal(digits, precision).toPlainString();
        return text + (precision == 0 && alternate ? "." : "") + FloatText.exponent(exponent);
    }

    private static String general(
            BigDecimal value, int precision, boolean alternate, int keptForPoint) {
        int exponent = exponent(round(value, precision));
        boolean isScientific = exponent < -4 || exponent >= precision - keptForPoint;
        String text =
                isScientific
                        ? scientific(value, precision - 1, alternate)
                        : fixed(value, precision - 1 - exponent, alternate);
        if (alternate) {
            return text;
        }
        int mantissaEnd = isScientific ? text.indexOf('e') : text.length();
        int end = mantissaEnd;
        if (text.indexOf('.') >= 0) {
            while (text.charAt(end - 1) == '0') {
                --end;
            }
            end -= text.charAt(end - 1) == '.' ? 1 : 0;
        }
        return text.substring(0, end) + text.substring(mantissaEnd);
    }
}

package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/** Python's {@code repr} of floats: the shortest decimal number that is read as the same float. */
final class FloatText {

    private static final int MOST_DIGITS = 17;

    private FloatText() {}

    static String of(double value, Budget budget) {
        if (Double.isNaN(value)) {
            return "nan";
        } else if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        } else if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = shortest(value, budget).stripTrailingZeros();
        int exponent = decimal.precision() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            String plain = decimal.toPlainString();
            return plain.indexOf('.') >= 0 ? plain : plain + ".0";
        }
        String digits = decimal.unscaledValue().abs().toString();
        return (value < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + exponent(exponent);
    }

    /** An exponent of at least two digits. */
    static String exponent(int exponent) {
        int size = Math.abs(exponent);
        return (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "") + size;
    }

    /** Java's own text has up to two digits more before JDK 19. */
    private static BigDecimal shortest(double value, Budget budget) {
        BigDecimal exact = new BigDecimal(value);
        budget.steps(exact.precision());
        int fewest = new BigDecimal(Double.toString(value)).stripTrailingZeros().precision() - 2;
        for (int digits = Math.max(1, fewest); digits < MOST_DIGITS; ++digits) {
            BigDecimal best = null;
            for (RoundingMode mode :
                    new RoundingMode[] {
                        RoundingMode.HALF_EVEN, RoundingMode.UP, RoundingMode.DOWN
                    }) {
                BigDecimal rounded = exact.round(new MathContext(digits, mode));
                if (best == null && rounded.doubleValue() == value) {
                    best = rounded;
                }
            }
            if (best != null) {
                return best;
            }
        }
        return exact.round(new MathContext(MOST_DIGITS, RoundingMode.HALF_EVEN));
    }
}

package io.pbsattn.zoo.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;

/** Python's arithmetic. */
final class Operators {

    private Operators() {}

    /** An operator between two values. */
    interface Binary {
        Object apply(Object a, Object b, Budget budget);
    }

    static Binary find(String operator) {
        return switch (operator) {
            case "+" -> Operators::add;
            case "-" -> (a, b, budget) -> numbers("-", a, b, budget);
            case "*" -> Operators::multiply;
            case "/" -> (a, b, budget) -> numbers("/", a, b, budget);
            case "//" -> (a, b, budget) -> numbers("//", a, b, budget);
            case "%" -> Operators::modulo;
            case "**" -> (a, b, budget) -> numbers("**", a, b, budget);
            default -> throw new JinjaException("unknown operator '" + operator + "'");
        };
    }

    static JinjaException wrongOperands(String operator, Object a, Object b) {
        if (a instanceof Undefined undefined) {
            return undefined.error();
        } else if (b instanceof Undefined undefined) {
            return undefined.error();
        }
        return new JinjaException(
                "cannot apply '"
                        + operator
                        + "' to "
                        + Values.describe(a)
                        + " and "
                        + Values.describe(b));
    }

    static Object add(Object a, Object b, Budget budget) {
        if (Text.is(a) && Text.is(b)) {
            boolean escapes = a instanceof Markup || b instanceof Markup;
            return Text.join("", List.of(a, b), escapes, budget);
        }
        boolean bothTuples = a instanceof Tuple && b instanceof Tuple;
        if (bothTuples || (isList(a) && isList(b))) {
            List<?> first = (List<?>) a;
            List<?> second = (List<?>) b;
            budget.items((long) first.size() + second.size());
            List<Object> both = new ArrayList<>(first);
            both.addAll(second);
            return bothTuples ? new Tuple(both) : both;
        }
        return numbers("+", a, b, budget);
    }

    private static boolean isList(Object value) {
        return value instanceof List && !(value instanceof Tuple) && !(value instanceof Range);
    }

    private static Object multiply(Object a, Object b, Budget budget) {
        if (Numbers.is(a) && Numbers.is(b)) {
            return numbers("*", a, b, budget);
        } else if (Numbers.isInteger(a) && (Text.is(b) || isList(b) || b instanceof Tuple)) {
            return repeat(b, times(a), budget);
        } else if (Numbers.isInteger(b) && (Text.is(a) || isList(a) || a instanceof Tuple)) {
            return repeat(a, times(b), budget);
        }
        throw wrongOperands("*", a, b);
    }

    private static long times(Object integer) {
        if (integer instanceof BigInteger) {
            throw new JinjaException("'*': too many times");
        }
        return Math.max(0, Numbers.small(integer));
    }

    private static Object repeat(Object value, long times, Budget budget) {
        if (Text.is(value)) {
            TextBuilder text = new TextBuilder(budget).repeat(Text.of(value), times);
            return Text.like(value, text.toString());
        }
        List<?> items = (List<?>) value;
        List<Object> result = new ArrayList<>();
        for (long i = 0; i < times && !items.isEmpty(); ++i) {
            budget.items(items.size());
            result.addAll(items);
        }
        return value instanceof Tuple ? new Tuple(result) : result;
    }

    private static Object modulo(Object a, Object b, Budget budget) {
        return Text.is(a)
                ? Text.like(a, PercentFormat.format(a, b, budget))
                : numbers("%", a, b, budget);
    }

    /** The signs {@code +} and {@code -} in front of a value. */
    static Object sign(String sign, Object value, Budget budget) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        } else if (!Numbers.is(value)) {
            throw new JinjaException("cannot apply '" + sign + "' to " + Values.describe(value));
        } else if (value instanceof Double d) {
            return sign.equals("-") ? -d : d;
        }
        return integers(sign, BigInteger.ZERO, Numbers.big(value), budget);
    }

    private static Object numbers(String operator, Object a, Object b, Budget budget) {
        if (!Numbers.is(a) || !Numbers.is(b)) {
            throw wrongOperands(operator, a, b);
        }
        boolean divides = operator.equals("/") || operator.equals("//") || operator.equals("%");
        if (divides && Numbers.equal(b, 0L)) {
            throw new JinjaException("'" + operator + "': division by zero");
        }
        if (Numbers.isInteger(a) && Numbers.isInteger(b)) {
            return integers(operator, Numbers.big(a), Numbers.big(b), budget);
        }
        return floats(operator, Numbers.real(a), Numbers.real(b));
    }

    private static Object integers(String operator, BigInteger a, BigInteger b, Budget budget) {
        budget.bits(Math.max(a.bitLength(), b.bitLength()));
        return switch (operator) {
            case "+" -> Numbers.integer(a.add(b));
            case "-" -> Numbers.integer(a.subtract(b));
            case "*" -> {
                budget.bits((long) a.bitLength() + b.bitLength());
                yield Numbers.integer(a.multiply(b));
            }
            case "/" -> quotient(a, b);
            case "//" -> Numbers.integer(a.subtract(floorMod(a, b)).divide(b));
            case "%" -> Numbers.integer(floorMod(a, b));
            default -> power(a, b, budget);
        };
    }

    /** A remainder with the divisor's sign. */
    private static BigInteger floorMod(BigInteger a, BigInteger b) {
        BigInteger rest = a.remainder(b);
        return rest.signum() != 0 && rest.signum() != b.signum() ? rest.add(b) : rest;
    }

    private static double quotient(BigInteger a, BigInteger b) {
        if (a.signum() == 0) {
            return b.signum() < 0 ? -0.0 : 0.0;
        }
        if (Math.max(a.bitLength(), b.bitLength()) <= Numbers.EXACT_BITS) {
            return a.doubleValue() / b.doubleValue();
        }
        double quotient =
                new BigDecimal(a).divide(new BigDecimal(b), MathContext.DECIMAL128).doubleValue();
        if (Double.isInfinite(quotient)) {
            throw new JinjaException("'/': the result is too large");
        }
        return quotient;
    }

    private static Object power(BigInteger a, BigInteger b, Budget budget) {
        if (b.signum() < 0) {
            return power(Numbers.real(Numbers.integer(a)), Numbers.real(Numbers.integer(b)));
        } else if (a.abs().bitLength() <= 1) {
            return Numbers.integer(b.testBit(0) || b.signum() == 0 ? a.pow(b.signum()) : a.abs());
        }
        budget.bits(b.bitLength() > 31 ? Long.MAX_VALUE : a.bitLength() * b.longValue());
        return Numbers.integer(a.pow(b.intValue()));
    }

    private static double power(double x, double y) {
        if (x == 0 && y < 0) {
            throw new JinjaException("'**': zero to a negative power");
        } else if (x < 0 && Double.isFinite(x) && Double.isFinite(y) && y != Math.rint(y)) {
            throw new JinjaException("'**': the result is a complex number");
        }
        double power = x == 1 || (x == -1 && Double.isInfinite(y)) ? 1 : Math.pow(x, y);
        if (Double.isInfinite(power) && Double.isFinite(x) && Double.isFinite(y)) {
            throw new JinjaException("'**': the result is too large");
        }
        return power;
    }

    private static Object floats(String operator, double x, double y) {
        return switch (operator) {
            case "+" -> x + y;
            case "-" -> x - y;
            case "*" -> x * y;
            case "/" -> x / y;
            case "//" -> floorDivide(x, y);
            case "%" -> floorMod(x, y);
            default -> power(x, y);
        };
    }

    private static double floorMod(double x, double y) {
        double rest = x % y;
        return rest == 0 ? Math.copySign(0, y) : (rest < 0) == (y < 0) ? rest : rest + y;
    }

    private static double floorDivide(double x, double y) {
        double rest = x % y;
        double quotient = (x - rest) / y - (rest != 0 && (rest < 0) != (y < 0) ? 1 : 0);
        if (quotient == 0) {
            return Math.copySign(0, x / y);
        }
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }
}

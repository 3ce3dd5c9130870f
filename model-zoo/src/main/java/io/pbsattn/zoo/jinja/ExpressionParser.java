package io.pbsattn.zoo.jinja;

import com.hubspot.jinjava.el.ExtendedSyntaxBuilder;
import com.hubspot.jinjava.el.ext.ExtendedParser;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import jinjava.de.odysseus.el.tree.impl.Parser;
import jinjava.de.odysseus.el.tree.impl.Scanner;
import jinjava.de.odysseus.el.tree.impl.Scanner.Symbol;

/**
 * Reads expressions with jinjava's scanner, in Jinja2's order of operators: jinjava's own takes
 * {@code not} and comparisons otherwise, and its operators are not Python's.
 */
final class ExpressionParser extends ExtendedParser {

    private static final Set<String> KEYWORDS =
            Set.of("and", "or", "not", "if", "else", "is", "in", "recursive");
    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final Set<Symbol> LITERALS = Set.of(Symbol.STRING, Symbol.INTEGER, Symbol.FLOAT);

    private final Set<String> strings;

    private ExpressionParser(String source, Set<String> strings) {
        super(new ExtendedSyntaxBuilder(), "#{" + source + "}");
        this.strings = strings;
    }

    /** What a parser reads. */
    interface Rule<T> {
        T read(ExpressionParser parser) throws Scanner.ScanException, Parser.ParseException;
    }

    /** Reads a whole text, and adds the strings that it holds to those of other texts. */
    static <T> T parse(String source, Set<String> strings, Rule<T> rule) {
        ExpressionParser parser = new ExpressionParser(source, strings);
        try {
            parser.consumeToken();
            parser.consumeToken(Symbol.START_EVAL_DEFERRED);
            T result = rule.read(parser);
            parser.consumeToken(Symbol.END_EVAL);
            return result;
        } catch (Scanner.ScanException | Parser.ParseException e) {
            throw new JinjaException("cannot read '" + source.strip() + "': " + e.getMessage());
        }
    }

    static Expression expression(String source, Set<String> strings) {
        return parse(source, strings, ExpressionParser::expression);
    }

    boolean at(String image) {
        return getToken().getSymbol() != Symbol.STRING && getToken().getImage().equals(image);
    }

    boolean take(String image) throws Scanner.ScanException, Parser.ParseException {
        boolean found = at(image);
        if (found) {
            consumeToken();
        }
        return found;
    }

    void expect(String image) throws Scanner.ScanException, Parser.ParseException {
        if (!take(image)) {
            fail(image);
        }
    }

    String name() throws Scanner.ScanException, Parser.ParseException {
        String image = getToken().getImage();
        if (!atName()) {
            fail("a name");
        }
        consumeToken();
        return image;
    }

    private boolean atName() {
        String image = getToken().getImage();
        return !LITERALS.contains(getToken().getSymbol())
                && image.matches("[A-Za-z_]\\w*")
                && !KEYWORDS.contains(image);
    }

    Expression expression() throws Scanner.ScanException, Parser.ParseException {
        Expression value = or();
        while (take("if")) {
            Expression yes = value;
            Expression condition = or();
            Expression no = take("else") ? expression() : i -> new Undefined("there is no 'else'");
            value = i -> (Python.isTrue(condition.evaluate(i)) ? yes : no).evaluate(i);
        }
        return value;
    }

    Expression or() throws Scanner.ScanException, Parser.ParseException {
        Expression left = and();
        while (take("or")) {
            Expression a = left;
            Expression b = and();
            left =
                    i -> {
                        Object value = a.evaluate(i);
                        return Python.isTrue(value) ? value : b.evaluate(i);
                    };
        }
        return left;
    }

    private Expression and() throws Scanner.ScanException, Parser.ParseException {
        Expression left = not();
        while (take("and")) {
            Expression a = left;
            Expression b = not();
            left =
                    i -> {
                        Object value = a.evaluate(i);
                        return Python.isTrue(value) ? b.evaluate(i) : value;
                    };
        }
        return left;
    }

    private Expression not() throws Scanner.ScanException, Parser.ParseException {
        if (take("not")) {
            Expression value = not();
            return i -> !Python.isTrue(value.evaluate(i));
        }
        return comparison();
    }

    private Expression comparison() throws Scanner.ScanException, Parser.ParseException {
        Expression left = sum();
        Expression result = null;
        while (true) {
            String operator = getToken().getImage();
            if (at("not") && lookahead(0).getImage().equals("in")) {
                consumeToken();
                operator = "not in";
            } else if (getToken().getSymbol() == Symbol.STRING
                    || (!COMPARISONS.contains(operator) && !at("in"))) {
                return result == null ? left : result;
            }
            consumeToken();
            String compare = operator;
            Expression a = left;
            Expression b = sum();
            Expression before = result;
            result =
                    i ->
                            (before == null || Python.isTrue(before.evaluate(i)))
                                    && Python.compare(compare, a.evaluate(i), b.evaluate(i));
            left = b;
        }
    }

    private Expression sum() throws Scanner.ScanException, Parser.ParseException {
        Expression left = concatenation();
        while (at("+") || at("-")) {
            left = arithmetic(consumeToken().getImage(), left, concatenation());
        }
        return left;
    }

    private Expression concatenation() throws Scanner.ScanException, Parser.ParseException {
        Expression left = product();
        while (take("~")) {
            Expression a = left;
            Expression b = product();
            left = i -> Python.text(a.evaluate(i)) + Python.text(b.evaluate(i));
        }
        return left;
    }

    private Expression product() throws Scanner.ScanException, Parser.ParseException {
        Expression left = power();
        while (at("*") || at("/") || at("//") || at("%")) {
            left = arithmetic(consumeToken().getImage(), left, power());
        }
        return left;
    }

    private Expression power() throws Scanner.ScanException, Parser.ParseException {
        Expression left = signed(true);
        while (at("**")) {
            left = arithmetic(consumeToken().getImage(), left, signed(true));
        }
        return left;
    }

    private static Expression arithmetic(String operator, Expression a, Expression b) {
        return i -> Python.arithmetic(operator, a.evaluate(i), b.evaluate(i));
    }

    private Expression signed(boolean filtered)
            throws Scanner.ScanException, Parser.ParseException {
        Expression value;
        if (take("-")) {
            value = arithmetic("-", i -> 0L, signed(false));
        } else {
            value = postfix(primary());
        }
        return filtered ? filters(value) : value;
    }

    private Expression primary() throws Scanner.ScanException, Parser.ParseException {
        Symbol symbol = getToken().getSymbol();
        if (symbol == Symbol.STRING) {
            StringBuilder text = new StringBuilder();
            while (getToken().getSymbol() == Symbol.STRING) {
                text.append(consumeToken().getImage());
            }
            strings.add(text.toString());
            return constant(text.toString());
        } else if (symbol == Symbol.INTEGER) {
            return constant(parseInteger(consumeToken().getImage()).longValue());
        } else if (symbol == Symbol.FLOAT) {
            if (!getToken().getImage().matches("\\d+(\\.\\d+)?([eE].*)?")) {
                fail("a number with digits on both sides of its point");
            }
            return constant(parseFloat(consumeToken().getImage()).doubleValue());
        } else if (take("(")) {
            return parentheses();
        } else if (take("[")) {
            List<Expression> items = items("]");
            return i -> evaluate(items, i);
        } else if (take("{")) {
            return mapping();
        }
        String name = name();
        return switch (name) {
            case "true", "True" -> constant(true);
            case "false", "False" -> constant(false);
            case "none", "None" -> constant(null);
            default -> i -> Variables.get(i, name);
        };
    }

    private static Expression constant(Object value) {
        return i -> value;
    }

    private static List<Object> evaluate(List<Expression> items, JinjavaInterpreter interpreter) {
        List<Object> values = new ArrayList<>();
        items.forEach(item -> values.add(item.evaluate(interpreter)));
        return values;
    }

    private Expression parentheses() throws Scanner.ScanException, Parser.ParseException {
        if (take(")")) {
            return i -> new Tuple(List.of());
        }
        Expression first = expression();
        if (take(")")) {
            return first;
        }
        expect(",");
        List<Expression> items = items(")");
        items.add(0, first);
        return i -> new Tuple(evaluate(items, i));
    }

    /** Reads expressions with commas between, and perhaps one behind, up to a bracket. */
    private List<Expression> items(String close)
            throws Scanner.ScanException, Parser.ParseException {
        List<Expression> items = new ArrayList<>();
        while (!take(close)) {
            items.add(expression());
            if (!at(close)) {
                expect(",");
            }
        }
        return items;
    }

    private Expression mapping() throws Scanner.ScanException, Parser.ParseException {
        Map<Expression, Expression> entries = new LinkedHashMap<>();
        while (!take("}")) {
            Expression key = expression();
            expect(":");
            entries.put(key, expression());
            if (!at("}")) {
                expect(",");
            }
        }
        return i -> {
            Map<Object, Object> dict = new LinkedHashMap<>();
            entries.forEach((key, value) -> dict.put(key.evaluate(i), value.evaluate(i)));
            return dict;
        };
    }

    private Expression postfix(Expression start)
            throws Scanner.ScanException, Parser.ParseException {
        Expression value = start;
        while (true) {
            Expression base = value;
            if (take(".")) {
                String name = name();
                value = i -> Python.attribute(base.evaluate(i), name);
            } else if (take("[")) {
                value = subscript(base);
            } else if (take("(")) {
                Call call = call();
                value =
                        i -> {
                            Object function = base.evaluate(i);
                            if (function instanceof Callable callable) {
                                return callable.call(call.positional(i), call.named(i));
                            }
                            throw function instanceof Undefined undefined
                                    ? undefined.error()
                                    : new JinjaException(
                                            Python.typeName(function) + " cannot be called");
                        };
            } else {
                return value;
            }
        }
    }

    private Expression subscript(Expression base)
            throws Scanner.ScanException, Parser.ParseException {
        Expression[] bounds = {constant(null), constant(null), constant(null)};
        int part = 0;
        boolean isSlice = false;
        if (at("]")) {
            fail("a key");
        }
        while (!take("]")) {
            if (take(":")) {
                isSlice = true;
                if (++part == bounds.length) {
                    fail("]");
                }
            } else {
                bounds[part] = expression();
                if (!at(":") && !at("]")) {
                    fail("]");
                }
            }
        }
        return isSlice
                ? i ->
                        Python.slice(
                                base.evaluate(i),
                                bounds[0].evaluate(i),
                                bounds[1].evaluate(i),
                                bounds[2].evaluate(i))
                : i -> Python.item(base.evaluate(i), bounds[0].evaluate(i));
    }

    /** The arguments of a call. */
    private record Call(List<Expression> positional, Map<String, Expression> named) {

        List<Object> positional(JinjavaInterpreter interpreter) {
            return evaluate(positional, interpreter);
        }

        Map<String, Object> named(JinjavaInterpreter interpreter) {
            Map<String, Object> values = new LinkedHashMap<>();
            named.forEach((name, value) -> values.put(name, value.evaluate(interpreter)));
            return values;
        }

        Arguments arguments(String function, JinjavaInterpreter interpreter) {
            return new Arguments(function, positional(interpreter), named(interpreter));
        }
    }

    private Call call() throws Scanner.ScanException, Parser.ParseException {
        Call call = new Call(new ArrayList<>(), new LinkedHashMap<>());
        while (!take(")")) {
            if (atName() && lookahead(0).getImage().equals("=")) {
                String name = name();
                consumeToken();
                call.named.put(name, expression());
            } else if (call.named.isEmpty()) {
                call.positional.add(expression());
            } else {
                fail("a name and '='");
            }
            if (!at(")")) {
                expect(",");
            }
        }
        return call;
    }

    private Expression filters(Expression start)
            throws Scanner.ScanException, Parser.ParseException {
        Expression value = start;
        while (true) {
            Expression input = value;
            if (take("|")) {
                String name = name();
                Filters.Filter filter = Filters.find(name);
                Call call = take("(") ? call() : new Call(List.of(), Map.of());
                value = i -> Filters.apply(filter, input.evaluate(i), call.arguments(name, i));
            } else if (take("is")) {
                boolean negated = take("not");
                value = test(input, negated);
            } else {
                return value;
            }
        }
    }

    private Expression test(Expression input, boolean negated)
            throws Scanner.ScanException, Parser.ParseException {
        String name = take("in") ? "in" : name();
        Tests.Test test = Tests.find(name);
        List<Expression> arguments = new ArrayList<>();
        if (take("(")) {
            arguments = items(")");
        } else if (LITERALS.contains(getToken().getSymbol()) || atName() || at("[") || at("{")) {
            arguments.add(postfix(primary()));
        }
        List<Expression> given = arguments;
        return i -> test.holds(input.evaluate(i), evaluate(given, i)) != negated;
    }
}

package io.pbsattn.zoo.jinja;

import io.pbsattn.zoo.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;

/** Reads expressions, with Jinja2's precedence of operators. */
final class ExpressionParser {

    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final Set<String> RESERVED = Set.of("if", "else", "and", "or", "is");

    private final TokenStream tokens;

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
    }

    /** An expression that may choose: {@code a if b else c}. */
    Expression parse() {
        Expression value = parseOr();
        while (tokens.takeName("if")) {
            Expression chosen = value;
            Expression condition = parseOr();
            Expression other =
                    tokens.takeName("else")
                            ? parse()
                            : scope -> new Undefined("an 'if' without 'else' has no value here");
            value =
                    scope ->
                            Python.isTrue(condition.value(scope))
                                    ? chosen.value(scope)
                                    : other.value(scope);
        }
        return value;
    }

    /** One expression, or a tuple of several without brackets. */
    Expression parseTuple() {
        Expression first = parse();
        if (!tokens.peek().is(Kind.OPERATOR, ",")) {
            return first;
        }
        List<Expression> items = new ArrayList<>(List.of(first));
        while (tokens.takeOperator(",") && !endsTuple()) {
            items.add(parse());
        }
        return scope -> new Tuple(values(items, scope));
    }

    private boolean endsTuple() {
        Token token = tokens.peek();
        return token.kind() == Kind.BLOCK_END
                || token.kind() == Kind.VARIABLE_END
                || token.is(Kind.OPERATOR, ")");
    }

    /** An expression in front of an {@code if} that is not its own. */
    Expression parseOr() {
        Expression left = parseAnd();
        while (tokens.takeName("or")) {
            Expression a = left;
            Expression b = parseAnd();
            left =
                    scope -> {
                        Object value = a.value(scope);
                        return Python.isTrue(value) ? value : b.value(scope);
                    };
        }
        return left;
    }

    private Expression parseAnd() {
        Expression left = parseNot();
        while (tokens.takeName("and")) {
            Expression a = left;
            Expression b = parseNot();
            left =
                    scope -> {
                        Object value = a.value(scope);
                        return Python.isTrue(value) ? b.value(scope) : value;
                    };
        }
        return left;
    }

    private Expression parseNot() {
        if (tokens.takeName("not")) {
            Expression negated = parseNot();
            return scope -> !Python.isTrue(negated.value(scope));
        }
        return parseComparison();
    }

    private Expression parseComparison() {
        Expression first = parseSum();
        List<String> operators = new ArrayList<>();
        List<Expression> operands = new ArrayList<>();
        while (true) {
            Token token = tokens.peek();
            if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.text())) {
                operators.add(tokens.next().text());
            } else if (tokens.takeName("in")) {
                operators.add("in");
            } else if (token.is(Kind.NAME, "not") && tokens.peek(1).is(Kind.NAME, "in")) {
                tokens.next();
                tokens.next();
                operators.add("not in");
            } else {
                break;
            }
            operands.add(parseSum());
        }
        if (operators.isEmpty()) {
            return first;
        }
        return located(
                scope -> {
                    Object left = first.value(scope);
                    for (int i = 0; i < operators.size(); ++i) {
                        Object right = operands.get(i).value(scope);
                        if (!holds(operators.get(i), left, right)) {
                            return false;
                        }
                        left = right;
                    }
                    return true;
                });
    }

    private static boolean holds(String operator, Object a, Object b) {
        return switch (operator) {
            case "==" -> Python.equal(a, b);
            case "!=" -> !Python.equal(a, b);
            case "in" -> Python.contains(b, a);
            case "not in" -> !Python.contains(b, a);
            case "<" -> Python.compare(a, b) < 0;
            case "<=" -> Python.compare(a, b) <= 0;
            case ">" -> Python.compare(a, b) > 0;
            default -> Python.compare(a, b) >= 0;
        };
    }

    private Expression parseSum() {
        Expression left = parseConcatenation();
        while (isOperator("+", "-")) {
            left = arithmetic(tokens.next().text(), left, parseConcatenation());
        }
        return left;
    }

    private Expression parseConcatenation() {
        Expression left = parseProduct();
        while (tokens.takeOperator("~")) {
            Expression a = left;
            Expression b = parseProduct();
            left = scope -> Python.text(a.value(scope)).plus(Python.text(b.value(scope)));
        }
        return left;
    }

    private Expression parseProduct() {
        Expression left = parsePower();
        while (isOperator("*", "/", "//", "%")) {
            left = arithmetic(tokens.next().text(), left, parsePower());
        }
        return left;
    }

    private Expression parsePower() {
        Expression left = parseUnary(true);
        while (isOperator("**")) {
            left = arithmetic(tokens.next().text(), left, parseUnary(true));
        }
        return left;
    }

    private Expression parseUnary(boolean withFilters) {
        Expression value;
        if (tokens.takeOperator("-")) {
            Expression positive = parseUnary(false);
            value = located(scope -> Python.negative(positive.value(scope)));
        } else if (tokens.takeOperator("+")) {
            value = parseUnary(false);
        } else {
            value = parsePrimary();
        }
        value = parsePostfix(value);
        return withFilters ? parseFilters(value) : value;
    }

    private Expression parsePrimary() {
        Token token = tokens.next();
        switch (token.kind()) {
            case STRING -> {
                StringBuilder string = new StringBuilder(token.text());
                while (tokens.peek().kind() == Kind.STRING) {
                    string.append(tokens.next().text());
                }
                Text text = Text.of(string.toString());
                return scope -> text;
            }
            case INTEGER -> {
                return constant(token, Long::valueOf);
            }
            case FLOAT -> {
                return constant(token, Double::valueOf);
            }
            case NAME -> {
                return name(token);
            }
            case OPERATOR -> {
                if (token.text().equals("(")) {
                    return parseBrackets();
                } else if (token.text().equals("[")) {
                    List<Expression> items = parseUntil("]");
                    return scope -> values(items, scope);
                } else if (token.text().equals("{")) {
                    return parseMap();
                }
                throw tokens.unexpected(token);
            }
            default -> throw tokens.unexpected(token);
        }
    }

    private static Expression constant(
            Token token, java.util.function.Function<String, Object> parser) {
        try {
            Object value = parser.apply(token.text().replace("_", ""));
            return scope -> value;
        } catch (NumberFormatException e) {
            throw new JinjaException("number " + token.text() + " is too large").at(token.line());
        }
    }

    private Expression name(Token token) {
        switch (token.text()) {
            case "true", "True" -> {
                return scope -> true;
            }
            case "false", "False" -> {
                return scope -> false;
            }
            case "none", "None" -> {
                return scope -> null;
            }
            default -> {
                if (RESERVED.contains(token.text())) {
                    throw tokens.unexpected(token);
                }
                return scope -> scope.get(token.text());
            }
        }
    }

    private Expression parseBrackets() {
        if (tokens.takeOperator(")")) {
            return scope -> new Tuple(List.of());
        }
        Expression value = parseTuple();
        tokens.expectOperator(")");
        return value;
    }

    private List<Expression> parseUntil(String bracket) {
        List<Expression> items = new ArrayList<>();
        while (!tokens.takeOperator(bracket)) {
            items.add(parse());
            if (!tokens.peek().is(Kind.OPERATOR, bracket)) {
                tokens.expectOperator(",");
            }
        }
        return items;
    }

    private Expression parseMap() {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.takeOperator("}")) {
            keys.add(parse());
            tokens.expectOperator(":");
            values.add(parse());
            if (!tokens.peek().is(Kind.OPERATOR, "}")) {
                tokens.expectOperator(",");
            }
        }
        return scope -> {
            Map<Object, Object> map = new LinkedHashMap<>();
            Iterator<Expression> each = values.iterator();
            keys.forEach(key -> map.put(key.value(scope), each.next().value(scope)));
            return map;
        };
    }

    private Expression parsePostfix(Expression start) {
        Expression value = start;
        while (true) {
            Expression base = value;
            if (tokens.takeOperator(".")) {
                Token name = tokens.next();
                if (name.kind() == Kind.INTEGER) {
                    Long index = Long.valueOf(name.text());
                    value = located(scope -> Python.item(base.value(scope), index));
                } else if (name.kind() == Kind.NAME) {
                    value = located(scope -> Python.attribute(base.value(scope), name.text()));
                } else {
                    throw tokens.unexpected(name);
                }
            } else if (tokens.takeOperator("[")) {
                value = parseSubscript(base);
            } else if (tokens.takeOperator("(")) {
                value = parseCall(base);
            } else {
                return value;
            }
        }
    }

    private Expression parseSubscript(Expression base) {
        List<Expression> bounds = new ArrayList<>();
        boolean slice = false;
        while (true) {
            if (isOperator(":", "]")) {
                bounds.add(scope -> null);
            } else {
                bounds.add(parse());
            }
            if (!tokens.takeOperator(":")) {
                break;
            }
            slice = true;
        }
        Token end = tokens.peek();
        tokens.expectOperator("]");
        if (!slice) {
            Expression key = bounds.get(0);
            return located(scope -> Python.item(base.value(scope), key.value(scope)));
        }
        if (bounds.size() > 3) {
            throw tokens.unexpected(end);
        }
        Expression step = bounds.size() == 3 ? bounds.get(2) : scope -> null;
        return located(
                scope ->
                        Python.slice(
                                base.value(scope),
                                bounds.get(0).value(scope),
                                bounds.get(1).value(scope),
                                step.value(scope)));
    }

    /** The arguments of a call whose bracket is open. */
    CallArguments parseArguments() {
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        while (!tokens.takeOperator(")")) {
            if (tokens.peek().kind() == Kind.NAME && tokens.peek(1).is(Kind.OPERATOR, "=")) {
                String name = tokens.next().text();
                tokens.next();
                named.put(name, parse());
            } else if (named.isEmpty()) {
                positional.add(parse());
            } else {
                throw tokens.unexpected(tokens.peek());
            }
            if (!tokens.peek().is(Kind.OPERATOR, ")")) {
                tokens.expectOperator(",");
            }
        }
        return new CallArguments(positional, named);
    }

    private Expression parseCall(Expression base) {
        CallArguments arguments = parseArguments();
        return located(
                scope -> {
                    Object function = base.value(scope);
                    if (function instanceof Callable callable) {
                        return callable.call(arguments.values(scope), arguments.namedValues(scope));
                    }
                    throw function instanceof Undefined undefined
                            ? undefined.error()
                            : new JinjaException("cannot call " + Python.typeName(function));
                });
    }

    /** Filters and tests behind a value. */
    private Expression parseFilters(Expression start) {
        Expression value = start;
        while (true) {
            if (tokens.peek().is(Kind.OPERATOR, "|")) {
                value = parseFilterChain(value);
            } else if (tokens.takeName("is")) {
                value = parseTest(value);
            } else if (tokens.takeOperator("(")) {
                value = parseCall(value);
            } else {
                return value;
            }
        }
    }

    /** {@code | filter | filter(...)} behind a value. */
    Expression parseFilterChain(Expression start) {
        Expression value = start;
        while (tokens.takeOperator("|")) {
            value = parseFilter(value);
        }
        return value;
    }

    /** A filter's name and arguments. */
    Expression parseFilter(Expression base) {
        Token name = tokens.expectName();
        BiFunction<Object, Arguments, Object> filter;
        try {
            filter = Filters.find(name.text());
        } catch (JinjaException e) {
            throw e.at(name.line());
        }
        CallArguments given = tokens.takeOperator("(") ? parseArguments() : CallArguments.NONE;
        return located(
                scope -> {
                    Object value = base.value(scope);
                    Arguments arguments =
                            new Arguments(
                                    name.text(), given.values(scope), given.namedValues(scope));
                    Object result = filter.apply(value, arguments);
                    arguments.end();
                    return result;
                });
    }

    private Expression parseTest(Expression base) {
        boolean negated = tokens.takeName("not");
        Token name = tokens.next();
        boolean symbol = name.kind() == Kind.OPERATOR && COMPARISONS.contains(name.text());
        if (name.kind() != Kind.NAME && !symbol) {
            throw tokens.unexpected(name);
        }
        BiFunction<Object, List<Object>, Boolean> test;
        try {
            test = Tests.find(name.text());
        } catch (JinjaException e) {
            throw e.at(name.line());
        }
        CallArguments arguments = CallArguments.NONE;
        if (tokens.takeOperator("(")) {
            arguments = parseArguments();
        } else if (beginsArgument(tokens.peek())) {
            Expression argument = parsePostfix(parsePrimary());
            arguments = new CallArguments(List.of(argument), Map.of());
        }
        CallArguments given = arguments;
        return located(scope -> test.apply(base.value(scope), given.values(scope)) != negated);
    }

    private static boolean beginsArgument(Token token) {
        return switch (token.kind()) {
            case NAME ->
                    !RESERVED.contains(token.text())
                            && !token.text().equals("not")
                            && !token.text().equals("in");
            case STRING, INTEGER, FLOAT -> true;
            default -> token.is(Kind.OPERATOR, "[") || token.is(Kind.OPERATOR, "{");
        };
    }

    private Expression arithmetic(String operator, Expression a, Expression b) {
        return located(scope -> Python.arithmetic(operator, a.value(scope), b.value(scope)));
    }

    private boolean isOperator(String... operators) {
        Token token = tokens.peek();
        return token.kind() == Kind.OPERATOR && List.of(operators).contains(token.text());
    }

    private static List<Object> values(List<Expression> expressions, Scope scope) {
        List<Object> values = new ArrayList<>();
        expressions.forEach(expression -> values.add(expression.value(scope)));
        return values;
    }

    /** Adds the line to what goes wrong in an expression. */
    private Expression located(Expression expression) {
        int line = tokens.peek().line();
        return scope -> {
            try {
                return expression.value(scope);
            } catch (JinjaException e) {
                throw e.at(line);
            }
        };
    }

    /**
     * The arguments of a call, not yet evaluated.
     *
     * @param positional those without a name
     * @param named those with one
     */
    record CallArguments(List<Expression> positional, Map<String, Expression> named) {

        static final CallArguments NONE = new CallArguments(List.of(), Map.of());

        List<Object> values(Scope scope) {
            return ExpressionParser.values(positional, scope);
        }

        Map<String, Object> namedValues(Scope scope) {
            Map<String, Object> values = new LinkedHashMap<>();
            named.forEach((name, expression) -> values.put(name, expression.value(scope)));
            return values;
        }
    }
}

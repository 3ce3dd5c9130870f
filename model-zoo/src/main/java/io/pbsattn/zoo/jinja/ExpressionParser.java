package io.pbsattn.zoo.jinja;

import io.pbsattn.zoo.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/** Reads expressions, in Jinja2's order of operators. */
final class ExpressionParser {

    /** How many brackets, signs and conditions may lie in one another. */
    private static final int DEEPEST = 100;

    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final Set<String> BEHIND_TESTS = Set.of("else", "or", "and");

    private final TokenStream tokens;
    private final NameUses names;
    private final Set<String> strings;

    /** Filters and tests that do not exist; fine as long as a condition keeps them from running. */
    private final List<JinjaException> unknown = new ArrayList<>();

    private int depth;

    /**
     * Constructs a parser.
     *
     * @param tokens what it reads
     * @param names is told of the variables that are read
     * @param strings is given the strings that it reads
     */
    ExpressionParser(TokenStream tokens, NameUses names, Set<String> strings) {
        this.tokens = tokens;
        this.names = names;
        this.strings = strings;
    }

    /** A mark for what stands behind it. */
    int unknownNames() {
        return unknown.size();
    }

    /** Lets filters and tests that do not exist be an error only if they run. */
    void allowUnknown(int mark) {
        unknown.subList(mark, unknown.size()).clear();
    }

    void refuseUnknown(int mark) {
        if (unknown.size() > mark) {
            throw unknown.get(mark);
        }
    }

    /** Reads something that may hold itself. */
    <T> T nested(Supplier<T> rule) {
        if (++depth > DEEPEST) {
            throw new JinjaException("more than " + DEEPEST + " brackets or tags in one another")
                    .at(tokens.line());
        }
        T result = rule.get();
        --depth;
        return result;
    }

    /** Reads an expression, or several with commas between as a tuple. */
    Expression tuple(boolean conditional, String end) {
        int line = tokens.line();
        if (atTupleEnd(end)) {
            throw tokens.unexpected("an expression");
        }
        Expression first = conditional ? expression() : nested(this::or);
        if (!tokens.at(",")) {
            return first;
        }
        List<Expression> items = new ArrayList<>(List.of(first));
        while (tokens.take(",") && !atTupleEnd(end)) {
            items.add(conditional ? expression() : nested(this::or));
        }
        return tuple(line, items);
    }

    private boolean atTupleEnd(String end) {
        return tokens.at(Kind.VARIABLE_END)
                || tokens.at(Kind.BLOCK_END)
                || tokens.at(")")
                || (end != null && tokens.atName(end));
    }

    private static Expression tuple(int line, List<Expression> items) {
        return new Expression(line, scope -> new Tuple(evaluate(items, scope)), array(items));
    }

    private static Expression[] array(List<Expression> items) {
        return items.toArray(Expression[]::new);
    }

    private static List<Object> evaluate(List<Expression> items, Scope scope) {
        scope.budget().items(items.size());
        List<Object> values = new ArrayList<>(items.size());
        for (Expression item : items) {
            values.add(item.evaluate(scope));
        }
        return values;
    }

    Expression expression() {
        return nested(this::conditional);
    }

    private Expression conditional() {
        int mark = unknownNames();
        Expression value = or();
        while (tokens.atName("if")) {
            int line = tokens.next().line();
            Expression yes = value;
            Expression condition = or();
            Expression no =
                    tokens.takeName("else")
                            ? expression()
                            : new Expression(line, s -> new Undefined("there is no 'else'"));
            value =
                    new Expression(
                            line,
                            s -> (condition.isTrue(s) ? yes : no).evaluate(s),
                            yes,
                            condition,
                            no);
            allowUnknown(mark);
        }
        return value;
    }

    private Expression or() {
        Expression left = and();
        while (tokens.atName("or")) {
            int line = tokens.next().line();
            Expression a = left;
            Expression b = and();
            left = new Expression(line, s -> either(a.evaluate(s), b, true, s), a, b);
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (tokens.atName("and")) {
            int line = tokens.next().line();
            Expression a = left;
            Expression b = not();
            left = new Expression(line, s -> either(a.evaluate(s), b, false, s), a, b);
        }
        return left;
    }

    /** The first value if its truth decides, else the second. */
    private static Object either(Object first, Expression second, boolean decides, Scope scope) {
        return Values.isTrue(first) == decides ? first : second.evaluate(scope);
    }

    private Expression not() {
        if (!tokens.atName("not")) {
            return comparison();
        }
        int line = tokens.next().line();
        Expression value = nested(this::not);
        return new Expression(line, s -> !value.isTrue(s), value);
    }

    /** A comparison's operator and what stands behind it. */
    private record Operand(String operator, Expression value) {}

    private Expression comparison() {
        int line = tokens.line();
        Expression first = sum();
        List<Operand> operands = new ArrayList<>();
        List<Expression> parts = new ArrayList<>(List.of(first));
        for (String operator = comparison(tokens);
                operator != null;
                operator = comparison(tokens)) {
            operands.add(new Operand(operator, sum()));
            parts.add(operands.get(operands.size() - 1).value);
        }
        return operands.isEmpty()
                ? first
                : new Expression(line, s -> compare(first, operands, s), array(parts));
    }

    /** Takes the operator of a comparison, or gives null. */
    private static String comparison(TokenStream tokens) {
        Token token = tokens.current();
        if (token.is(Kind.OPERATOR) && COMPARISONS.contains(token.text())) {
            return tokens.next().text();
        } else if (tokens.takeName("in")) {
            return "in";
        } else if (tokens.atName("not") && tokens.ahead().isName("in")) {
            tokens.next();
            tokens.next();
            return "not in";
        }
        return null;
    }

    /** {@code a < b < c} holds if both comparisons do. */
    private static boolean compare(Expression first, List<Operand> operands, Scope scope) {
        Object left = first.evaluate(scope);
        for (Operand operand : operands) {
            Object right = operand.value.evaluate(scope);
            if (!Equality.compare(operand.operator, left, right, scope.budget())) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Expression sum() {
        return operators(this::concatenation, "+", "-");
    }

    private Expression concatenation() {
        int line = tokens.line();
        List<Expression> parts = new ArrayList<>(List.of(product()));
        while (tokens.take("~")) {
            parts.add(product());
        }
        return parts.size() == 1
                ? parts.get(0)
                : new Expression(line, s -> Text.join(evaluate(parts, s), s), array(parts));
    }

    private Expression product() {
        return operators(this::power, "*", "/", "//", "%");
    }

    private Expression power() {
        return operators(() -> signed(true), "**");
    }

    /** Operators of one rank, the first one first. */
    private Expression operators(Supplier<Expression> operand, String... operators) {
        Expression left = operand.get();
        while (true) {
            String operator = null;
            for (String candidate : operators) {
                operator = tokens.at(candidate) ? candidate : operator;
            }
            if (operator == null) {
                return left;
            }
            int line = tokens.next().line();
            Expression a = left;
            Expression b = operand.get();
            Operators.Binary meaning = Operators.find(operator);
            left =
                    new Expression(
                            line,
                            s -> meaning.apply(a.evaluate(s), b.evaluate(s), s.budget()),
                            a,
                            b);
        }
    }

    private Expression signed(boolean filtered) {
        Expression value;
        if (tokens.at("-") || tokens.at("+")) {
            Token sign = tokens.next();
            Expression operand = nested(() -> signed(false));
            value =
                    new Expression(
                            sign.line(),
                            s -> Operators.sign(sign.text(), operand.evaluate(s), s.budget()),
                            operand);
        } else {
            value = primary();
        }
        value = postfix(value);
        return filtered ? filters(value) : value;
    }

    private Expression primary() {
        Token token = tokens.current();
        int line = token.line();
        switch (token.kind()) {
            case NAME -> {
                tokens.next();
                return name(token.text(), line);
            }
            case STRING -> {
                return constant(line, string());
            }
            case INTEGER -> {
                tokens.next();
                return constant(line, located(line, () -> NumberLiteral.integer(token.text())));
            }
            case FLOAT -> {
                tokens.next();
                return constant(line, NumberLiteral.number(token.text()));
            }
            default -> {
                if (tokens.take("(")) {
                    return parentheses(line);
                } else if (tokens.take("[")) {
                    List<Expression> items = items();
                    return new Expression(line, s -> evaluate(items, s), array(items));
                } else if (tokens.take("{")) {
                    return dict(line);
                }
                throw tokens.unexpected("an expression");
            }
        }
    }

    private static <T> T located(int line, Supplier<T> action) {
        try {
            return action.get();
        } catch (JinjaException e) {
            throw e.at(line);
        }
    }

    private static Expression constant(int line, Object value) {
        return new Expression(line, scope -> value);
    }

    private Expression name(String name, int line) {
        switch (name) {
            case "true", "True" -> {
                return constant(line, true);
            }
            case "false", "False" -> {
                return constant(line, false);
            }
            case "none", "None" -> {
                return constant(line, null);
            }
            default -> {
                names.read(name);
                return new Expression(line, scope -> scope.get(name));
            }
        }
    }

    /** Strings that follow each other are one. */
    private String string() {
        StringBuilder text = new StringBuilder();
        while (tokens.at(Kind.STRING)) {
            text.append(tokens.next().text());
        }
        strings.add(text.toString());
        return text.toString();
    }

    private Expression parentheses(int line) {
        Expression inner = tokens.at(")") ? tuple(line, List.of()) : tuple(true, null);
        tokens.expect(")");
        return inner;
    }

    private List<Expression> items() {
        List<Expression> items = new ArrayList<>();
        while (!tokens.take("]")) {
            items.add(expression());
            if (!tokens.at("]")) {
                tokens.expect(",");
            }
        }
        return items;
    }

    private Expression dict(int line) {
        List<Expression> keys = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.take("}")) {
            keys.add(expression());
            tokens.expect(":");
            values.add(expression());
            if (!tokens.at("}")) {
                tokens.expect(",");
            }
        }
        List<Expression> parts = new ArrayList<>(keys);
        parts.addAll(values);
        return new Expression(
                line,
                s -> {
                    Dict dict = new Dict(s.budget());
                    for (int i = 0; i < keys.size(); ++i) {
                        dict.put(keys.get(i).evaluate(s), values.get(i).evaluate(s));
                    }
                    return dict;
                },
                array(parts));
    }

    private Expression postfix(Expression start) {
        Expression value = start;
        while (true) {
            int line = tokens.line();
            if (tokens.take(".")) {
                value = attribute(value, line);
            } else if (tokens.take("[")) {
                value = subscript(value, line);
            } else if (tokens.at("(")) {
                value = new Call(line, value, arguments());
            } else {
                return value;
            }
        }
    }

    private Expression attribute(Expression value, int line) {
        if (tokens.at(Kind.INTEGER)) {
            Object index = located(line, () -> NumberLiteral.integer(tokens.next().text()));
            return new Expression(line, s -> Attributes.item(value.evaluate(s), index, s), value);
        }
        String name = tokens.name();
        return new Expression(line, s -> Attributes.get(value.evaluate(s), name, s), value);
    }

    private Expression subscript(Expression value, int line) {
        List<Expression> keys = new ArrayList<>();
        while (!tokens.at("]")) {
            keys.add(tokens.at(":") ? null : expression());
            if (tokens.at(":")) {
                return slice(value, keys, line);
            }
            if (!tokens.at("]")) {
                tokens.expect(",");
                if (tokens.at("]")) {
                    break;
                }
            }
        }
        tokens.expect("]");
        Expression key = keys.size() == 1 ? keys.get(0) : tuple(line, keys);
        return new Expression(
                line, s -> Attributes.item(value.evaluate(s), key.evaluate(s), s), value, key);
    }

    private Expression slice(Expression value, List<Expression> bounds, int line) {
        if (bounds.size() > 1) {
            throw tokens.unexpected("']'");
        }
        while (tokens.take(":")) {
            boolean missing = tokens.at(":") || tokens.at("]");
            bounds.add(missing ? null : expression());
        }
        tokens.expect("]");
        if (bounds.size() > 3) {
            throw new JinjaException("a slice has more than three bounds").at(line);
        }
        List<Expression> parts = new ArrayList<>(bounds);
        parts.add(value);
        return new Expression(
                line,
                s -> {
                    Object sequence = value.evaluate(s);
                    Object[] at = new Object[3];
                    for (int i = 0; i < bounds.size(); ++i) {
                        at[i] = bounds.get(i) == null ? null : bounds.get(i).evaluate(s);
                    }
                    return Sequences.slice(sequence, at[0], at[1], at[2], s.budget());
                },
                array(parts));
    }

    CallArguments arguments() {
        int line = tokens.line();
        tokens.expect("(");
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        Expression list = null;
        Expression dict = null;
        while (!tokens.take(")")) {
            boolean isName = tokens.at(Kind.NAME) && tokens.ahead().isOperator("=");
            if (dict != null || (list != null && !isName && !tokens.at("**"))) {
                throw new JinjaException("an argument stands behind '*' or '**'").at(line);
            }
            if (tokens.take("*")) {
                list = expression();
            } else if (tokens.take("**")) {
                dict = expression();
            } else if (isName) {
                String name = tokens.name();
                tokens.expect("=");
                if (named.put(name, expression()) != null) {
                    throw new JinjaException("argument '" + name + "' is given twice").at(line);
                }
            } else if (named.isEmpty()) {
                positional.add(expression());
            } else {
                throw new JinjaException("an argument without a name stands behind one with")
                        .at(line);
            }
            if (!tokens.at(")")) {
                tokens.expect(",");
            }
        }
        return new CallArguments(positional, named, list, dict);
    }

    private Expression filters(Expression start) {
        Expression value = start;
        while (true) {
            if (tokens.take("|")) {
                value = filter(value);
            } else if (tokens.atName("is")) {
                value = test(value);
            } else if (tokens.at("(")) {
                value = new Call(tokens.line(), value, arguments());
            } else {
                return value;
            }
        }
    }

    /** Reads the filters that a block's text goes through, the first one without a bar. */
    Expression filterChain(Expression text) {
        Expression value = filter(text);
        while (tokens.take("|")) {
            value = filter(value);
        }
        return value;
    }

    private Expression filter(Expression value) {
        int line = tokens.line();
        String name = dottedName();
        Filters.Filter filter = Filters.find(name);
        if (filter == null) {
            unknown.add(Filters.unknown(name).at(line));
        }
        CallArguments given = tokens.at("(") ? arguments() : CallArguments.NONE;
        return new Expression(
                line,
                s -> Filters.apply(name, filter, value.evaluate(s), given.evaluate(s)),
                given.parts(value));
    }

    private Expression test(Expression value) {
        int line = tokens.next().line();
        boolean negated = tokens.takeName("not");
        String name = dottedName();
        Tests.Test test = Tests.find(name);
        if (test == null) {
            unknown.add(Tests.unknown(name).at(line));
        }
        CallArguments given = testArguments();
        return new Expression(
                line,
                s -> negated != Tests.apply(name, test, value.evaluate(s), given.evaluate(s)),
                given.parts(value));
    }

    private String dottedName() {
        StringBuilder name = new StringBuilder(tokens.name());
        while (tokens.take(".")) {
            name.append('.').append(tokens.name());
        }
        return name.toString();
    }

    /** A test may have one argument without brackets. */
    private CallArguments testArguments() {
        if (tokens.at("(")) {
            return arguments();
        }
        Token token = tokens.current();
        boolean begins =
                switch (token.kind()) {
                    case NAME -> !BEHIND_TESTS.contains(token.text());
                    case STRING, INTEGER, FLOAT -> true;
                    default -> tokens.at("[") || tokens.at("{");
                };
        if (!begins) {
            return CallArguments.NONE;
        } else if (tokens.atName("is")) {
            throw new JinjaException("tests with 'is' cannot follow each other").at(token.line());
        }
        return new CallArguments(List.of(postfix(primary())), Map.of(), null, null);
    }
}

package io.pbsattn.zoo.jinja;

import io.pbsattn.zoo.jinja.Statement.Flow;
import io.pbsattn.zoo.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads a template's tags. */
final class StatementParser {

    /** Where a block's text waits for its filters; no name in a template is like it. */
    private static final String WRITTEN = "(written)";

    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private int loops;

    StatementParser(List<Token> list) {
        tokens = new TokenStream(list);
        expressions = new ExpressionParser(tokens);
    }

    Statement parseTemplate() {
        return parseBody(Set.of());
    }

    /** Statements up to one of these tags, whose name comes next when this returns. */
    private Statement parseBody(Set<String> ends) {
        List<Statement> body = new ArrayList<>();
        while (true) {
            Token token = tokens.next();
            switch (token.kind()) {
                case DATA ->
                        body.add(
                                (scope, out) -> {
                                    out.append(token.text());
                                    return Flow.NEXT;
                                });
                case VARIABLE_BEGIN -> {
                    Expression value = expressions.parseTuple();
                    tokens.expect(Kind.VARIABLE_END);
                    body.add(
                            (scope, out) -> {
                                out.append(writable(value.value(scope), token.line()));
                                return Flow.NEXT;
                            });
                }
                case BLOCK_BEGIN -> {
                    if (ends.contains(tokens.peek().text())) {
                        return (scope, out) -> runAll(body, scope, out);
                    }
                    body.add(parseTag());
                }
                case END -> {
                    if (!ends.isEmpty()) {
                        throw new JinjaException("expected one of the tags " + ends)
                                .at(token.line());
                    }
                    return (scope, out) -> runAll(body, scope, out);
                }
                default -> throw tokens.unexpected(token);
            }
        }
    }

    private static Text writable(Object value, int line) {
        try {
            return Python.text(value);
        } catch (JinjaException e) {
            throw e.at(line);
        }
    }

    private static Flow runAll(List<Statement> body, Scope scope, Text.Builder out) {
        for (Statement statement : body) {
            Flow flow = statement.run(scope, out);
            if (flow != Flow.NEXT) {
                return flow;
            }
        }
        return Flow.NEXT;
    }

    private Statement parseTag() {
        Token tag = tokens.expectName();
        return switch (tag.text()) {
            case "if" -> parseIf();
            case "for" -> parseFor();
            case "set" -> parseSet();
            case "macro" -> parseMacro();
            case "generation" -> parseGeneration();
            case "with" -> parseWith();
            case "filter" -> parseFilterBlock();
            case "break" -> parseJump(tag, Flow.BREAK);
            case "continue" -> parseJump(tag, Flow.CONTINUE);
            default ->
                    throw new JinjaException("unknown or unsupported tag '" + tag.text() + "'")
                            .at(tag.line());
        };
    }

    private Statement parseJump(Token tag, Flow flow) {
        if (loops == 0) {
            throw new JinjaException("'" + tag.text() + "' outside of a loop").at(tag.line());
        }
        tokens.expect(Kind.BLOCK_END);
        return (scope, out) -> flow;
    }

    private Statement parseIf() {
        Expression condition = expressions.parse();
        tokens.expect(Kind.BLOCK_END);
        Statement body = parseBody(Set.of("elif", "else", "endif"));
        String end = tokens.next().text();
        Statement otherwise = (scope, out) -> Flow.NEXT;
        if (end.equals("elif")) {
            otherwise = parseIf();
        } else {
            tokens.expect(Kind.BLOCK_END);
            if (end.equals("else")) {
                otherwise = parseBodyTo("endif");
            }
        }
        Statement other = otherwise;
        return (scope, out) ->
                Python.isTrue(condition.value(scope))
                        ? body.run(scope, out)
                        : other.run(scope, out);
    }

    private Statement parseBodyTo(String end) {
        Statement body = parseBody(Set.of(end));
        tokens.next();
        tokens.expect(Kind.BLOCK_END);
        return body;
    }

    private Statement parseFor() {
        List<String> targets = parseTargets();
        if (!tokens.takeName("in")) {
            throw tokens.unexpected(tokens.peek());
        }
        int line = tokens.peek().line();
        Expression iterable = expressions.parseOr();
        Expression condition = tokens.takeName("if") ? expressions.parse() : null;
        if (tokens.peek().is(Kind.NAME, "recursive")) {
            throw new JinjaException("recursive loops are not supported").at(line);
        }
        tokens.expect(Kind.BLOCK_END);
        ++loops;
        Statement body = parseBody(Set.of("else", "endfor"));
        --loops;
        boolean hasElse = tokens.next().text().equals("else");
        tokens.expect(Kind.BLOCK_END);
        Statement otherwise = hasElse ? parseBodyTo("endfor") : (scope, out) -> Flow.NEXT;
        return (scope, out) -> {
            List<Object> items = itemsOf(iterable, scope, line);
            if (condition != null) {
                items.removeIf(
                        item -> {
                            Scope inner = new Scope(scope);
                            assign(inner, targets, item, line);
                            return !Python.isTrue(condition.value(inner));
                        });
            }
            if (items.isEmpty()) {
                return otherwise.run(new Scope(scope), out);
            }
            Loop loop = new Loop(items);
            for (int i = 0; i < items.size(); ++i) {
                loop.goTo(i);
                Scope inner = new Scope(scope);
                inner.set("loop", loop);
                assign(inner, targets, items.get(i), line);
                if (body.run(inner, out) == Flow.BREAK) {
                    break;
                }
            }
            return Flow.NEXT;
        };
    }

    private static List<Object> itemsOf(Expression iterable, Scope scope, int line) {
        try {
            return Python.items(iterable.value(scope));
        } catch (JinjaException e) {
            throw e.at(line);
        }
    }

    private List<String> parseTargets() {
        boolean bracket = tokens.takeOperator("(");
        List<String> targets = new ArrayList<>();
        do {
            targets.add(tokens.expectName().text());
        } while (tokens.takeOperator(","));
        if (bracket) {
            tokens.expectOperator(")");
        }
        return targets;
    }

    private static void assign(Scope scope, List<String> targets, Object value, int line) {
        if (targets.size() == 1) {
            scope.set(targets.get(0), value);
            return;
        }
        List<Object> values = Python.items(value);
        if (values.size() != targets.size()) {
            throw new JinjaException(
                            "expected " + targets.size() + " values, found " + values.size())
                    .at(line);
        }
        for (int i = 0; i < values.size(); ++i) {
            scope.set(targets.get(i), values.get(i));
        }
    }

    private Statement parseSet() {
        int line = tokens.peek().line();
        if (tokens.peek(1).is(Kind.OPERATOR, ".")) {
            return parseSetAttribute(line);
        }
        List<String> targets = parseTargets();
        if (tokens.takeOperator("=")) {
            Expression value = expressions.parseTuple();
            tokens.expect(Kind.BLOCK_END);
            return (scope, out) -> {
                assign(scope, targets, value.value(scope), line);
                return Flow.NEXT;
            };
        }
        Expression filtered = expressions.parseFilterChain(scope -> scope.get(WRITTEN));
        tokens.expect(Kind.BLOCK_END);
        Statement body = parseBodyTo("endset");
        return (scope, out) -> {
            assign(scope, targets, filtered.value(written(body, scope)), line);
            return Flow.NEXT;
        };
    }

    private Statement parseSetAttribute(int line) {
        String name = tokens.expectName().text();
        tokens.expectOperator(".");
        String attribute = tokens.expectName().text();
        tokens.expectOperator("=");
        Expression value = expressions.parseTuple();
        tokens.expect(Kind.BLOCK_END);
        return (scope, out) -> {
            Object target = scope.get(name);
            if (!(target instanceof Namespace namespace)) {
                throw new JinjaException("'" + name + "' is no namespace: cannot set an attribute")
                        .at(line);
            }
            namespace.set(attribute, value.value(scope));
            return Flow.NEXT;
        };
    }

    private static Text write(Statement body, Scope scope) {
        Text.Builder out = new Text.Builder();
        body.run(new Scope(scope), out);
        return out.build();
    }

    private static Scope written(Statement body, Scope scope) {
        Scope inner = new Scope(scope);
        inner.set(WRITTEN, write(body, scope));
        return inner;
    }

    private Statement parseMacro() {
        Token name = tokens.expectName();
        Map<String, Expression> parameters = new LinkedHashMap<>();
        tokens.expectOperator("(");
        while (!tokens.takeOperator(")")) {
            String parameter = tokens.expectName().text();
            parameters.put(parameter, tokens.takeOperator("=") ? expressions.parse() : null);
            if (!tokens.peek().is(Kind.OPERATOR, ")")) {
                tokens.expectOperator(",");
            }
        }
        tokens.expect(Kind.BLOCK_END);
        int outerLoops = loops;
        loops = 0;
        Statement body = parseBodyTo("endmacro");
        loops = outerLoops;
        return (scope, out) -> {
            Callable macro =
                    (positional, named) -> {
                        Arguments arguments = new Arguments(name.text(), positional, named);
                        Scope inner = new Scope(scope);
                        parameters.forEach(
                                (parameter, missing) ->
                                        inner.set(
                                                parameter,
                                                arguments.take(
                                                        parameter,
                                                        missing == null
                                                                ? new Undefined(
                                                                        "argument '"
                                                                                + parameter
                                                                                + "' is missing")
                                                                : missing.value(inner))));
                        arguments.end();
                        return write(body, inner);
                    };
            scope.set(name.text(), macro);
            return Flow.NEXT;
        };
    }

    /** Transformers' mark of what the model wrote; it changes nothing in the text. */
    private Statement parseGeneration() {
        tokens.expect(Kind.BLOCK_END);
        int outerLoops = loops;
        loops = 0;
        Statement body = parseBodyTo("endgeneration");
        loops = outerLoops;
        return (scope, out) -> body.run(new Scope(scope), out);
    }

    private Statement parseWith() {
        Map<String, Expression> values = new LinkedHashMap<>();
        while (tokens.peek().kind() != Kind.BLOCK_END) {
            String name = tokens.expectName().text();
            tokens.expectOperator("=");
            values.put(name, expressions.parse());
            if (tokens.peek().kind() != Kind.BLOCK_END) {
                tokens.expectOperator(",");
            }
        }
        tokens.expect(Kind.BLOCK_END);
        Statement body = parseBodyTo("endwith");
        return (scope, out) -> {
            Scope inner = new Scope(scope);
            values.forEach((name, value) -> inner.set(name, value.value(scope)));
            return body.run(inner, out);
        };
    }

    private Statement parseFilterBlock() {
        Expression filtered =
                expressions.parseFilterChain(expressions.parseFilter(scope -> scope.get(WRITTEN)));
        tokens.expect(Kind.BLOCK_END);
        Statement body = parseBodyTo("endfilter");
        return (scope, out) -> {
            out.append(Python.text(filtered.value(written(body, scope))));
            return Flow.NEXT;
        };
    }
}

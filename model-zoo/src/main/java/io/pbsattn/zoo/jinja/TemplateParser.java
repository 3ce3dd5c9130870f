package io.pbsattn.zoo.jinja;

import io.pbsattn.zoo.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads text and tags into statements. */
final class TemplateParser {

    private static final Set<String> CONSTANTS =
            Set.of("true", "True", "false", "False", "none", "None");

    /** A variable that no template can name: the text of a block. */
    private static final String CAPTURED = "(captured)";

    private final TokenStream tokens;
    private final NameUses names = new NameUses();
    private final ExpressionParser expressions;
    private final Map<String, Body> blocks = new LinkedHashMap<>();

    /** Whether the loop that {@code break} would leave is in the same function. */
    private boolean inLoop;

    /**
     * Constructs a parser.
     *
     * @param template the template
     * @param strings is given the strings of its expressions
     */
    TemplateParser(String template, Set<String> strings) {
        tokens = new TokenStream(Lexer.tokens(template));
        expressions = new ExpressionParser(tokens, names, strings);
    }

    /** The blocks by their names, once the template has been read. */
    Map<String, Body> blocks() {
        return blocks;
    }

    /** How far the template has been read. */
    int line() {
        return tokens.line();
    }

    Body template() {
        Body body = statements();
        if (!tokens.at(Kind.END)) {
            throw unknownTag(tokens.current());
        }
        expressions.refuseUnknown(0);
        return body;
    }

    private static JinjaException unknownTag(Token tag) {
        return new JinjaException("unknown or unsupported tag '" + tag.text() + "'").at(tag.line());
    }

    /** Reads up to the end of the template or to a tag that ends or divides the one around. */
    private Body statements(String... ends) {
        List<Statement> statements = new ArrayList<>();
        while (!tokens.at(Kind.END)) {
            Token token = tokens.next();
            int line = token.line();
            if (token.is(Kind.DATA)) {
                statements.add(new Statement(line, (scope, out) -> write(out, token.text())));
            } else if (token.is(Kind.VARIABLE_BEGIN)) {
                Expression value = expressions.tuple(true, null);
                statements.add(new Statement(line, (scope, out) -> write(out, value, scope)));
                tokens.expect(Kind.VARIABLE_END, "'}}'");
            } else {
                if (tokens.at(Kind.NAME) && List.of(ends).contains(tokens.current().text())) {
                    return new Body(statements);
                }
                statements.add(expressions.nested(this::tag));
                tokens.expect(Kind.BLOCK_END, "'%}'");
            }
        }
        return new Body(statements);
    }

    private static Flow write(TextBuilder out, String text) {
        out.append(text);
        return Flow.NEXT;
    }

    private static Flow write(TextBuilder out, Expression expression, Scope scope) {
        return write(out, Text.written(expression.evaluate(scope), scope));
    }

    /** Reads what stands between the end of a tag and the tags that end or divide it. */
    private Body body(Token tag, String... ends) {
        tokens.take(":");
        tokens.expect(Kind.BLOCK_END, "'%}'");
        Body body = statements(ends);
        if (tokens.at(Kind.END)) {
            throw new JinjaException("tag '" + tag.text() + "' has no end").at(tag.line());
        }
        return body;
    }

    private Body bodyToEnd(Token tag) {
        Body body = body(tag, "end" + tag.text());
        tokens.next();
        return body;
    }

    /** The body of a tag that has variables of its own. */
    private Body scopedBody(Token tag) {
        int mark = expressions.unknownNames();
        Body body = bodyToEnd(tag);
        expressions.refuseUnknown(mark);
        return body;
    }

    /** The body of a tag that {@code break} cannot leave. */
    private Body functionBody(Token tag) {
        boolean outer = inLoop;
        inLoop = false;
        Body body = scopedBody(tag);
        inLoop = outer;
        return body;
    }

    private Statement tag() {
        Token tag = tokens.expect(Kind.NAME, "a tag");
        return new Statement(
                tag.line(),
                switch (tag.text()) {
                    case "for" -> loop(tag);
                    case "if" -> condition(tag);
                    case "set" -> set(tag);
                    case "with" -> with(tag);
                    case "macro" -> macro(tag);
                    case "call" -> call(tag);
                    case "filter" -> filter(tag);
                    case "block" -> block(tag);
                    case "print" -> print();
                    case "autoescape" -> autoescape(tag);
                    case "generation" -> generation(tag);
                    case "break" -> jump(tag, Flow.BREAK);
                    case "continue" -> jump(tag, Flow.CONTINUE);
                    case "include", "import", "from", "extends" -> otherTemplate(tag);
                    default -> throw unknownTag(tag);
                });
    }

    private Statement.Action jump(Token tag, Flow flow) {
        if (!inLoop) {
            throw new JinjaException("'" + tag.text() + "' stands in no loop").at(tag.line());
        }
        return (scope, out) -> flow;
    }

    private Target target(boolean withNamespace, String end) {
        int line = tokens.line();
        Target first = targetItem(withNamespace);
        if (!tokens.at(",")) {
            return first;
        }
        List<Target> items = new ArrayList<>(List.of(first));
        while (tokens.take(",") && !atTargetEnd(end)) {
            items.add(targetItem(withNamespace));
        }
        return located(line, Target.items(items));
    }

    private boolean atTargetEnd(String end) {
        return tokens.at(Kind.BLOCK_END) || tokens.at(")") || tokens.at("=") || tokens.atName(end);
    }

    private Target targetItem(boolean withNamespace) {
        int line = tokens.line();
        if (tokens.take("(")) {
            Target items = expressions.nested(() -> target(false, ""));
            tokens.expect(")");
            return items;
        }
        String name = tokens.name();
        if (CONSTANTS.contains(name)) {
            throw new JinjaException("'" + name + "' cannot be set").at(line);
        }
        if (withNamespace && tokens.take(".")) {
            names.read(name);
            return located(line, Target.attribute(name, tokens.name()));
        }
        setName(name, line);
        return Target.variable(name);
    }

    private static Target located(int line, Target target) {
        return (scope, value) -> {
            try {
                target.assign(scope, value);
            } catch (JinjaException e) {
                throw e.at(line);
            }
        };
    }

    private void setName(String name, int line) {
        try {
            names.set(name);
        } catch (JinjaException e) {
            throw e.at(line);
        }
    }

    private Statement.Action loop(Token tag) {
        int mark = expressions.unknownNames();
        names.beginLoop();
        Target target = target(false, "in");
        tokens.expectName("in");
        Expression items = expressions.tuple(false, "recursive");
        Expression test = tokens.takeName("if") ? expressions.expression() : null;
        boolean recursive = tokens.takeName("recursive");
        boolean outer = inLoop;
        inLoop = true;
        Body body = body(tag, "endfor", "else");
        inLoop = outer;
        Body otherwise = Body.EMPTY;
        if (tokens.next().text().equals("else")) {
            inLoop = outer && !recursive;
            otherwise = body(tag, "endfor");
            tokens.next();
            inLoop = outer;
        }
        names.endLoop();
        expressions.refuseUnknown(mark);
        ForLoop loop = new ForLoop(target, test, body, otherwise);
        return recursive
                ? (scope, out) -> write(out, Text.of(loop.recurse(items.evaluate(scope), scope, 0)))
                : (scope, out) -> loop.run(items.evaluate(scope), scope, out);
    }

    /** A condition and what follows if it holds. */
    private record Branch(Expression condition, Body body) {}

    private Statement.Action condition(Token tag) {
        int mark = expressions.unknownNames();
        List<Branch> branches = new ArrayList<>();
        Body otherwise = Body.EMPTY;
        String divider = "elif";
        while (divider.equals("elif")) {
            Expression condition = expressions.tuple(false, null);
            branches.add(new Branch(condition, body(tag, "elif", "else", "endif")));
            divider = tokens.next().text();
        }
        if (divider.equals("else")) {
            otherwise = body(tag, "endif");
            tokens.next();
        }
        expressions.allowUnknown(mark);
        Body last = otherwise;
        return (scope, out) -> {
            for (Branch branch : branches) {
                if (branch.condition.isTrue(scope)) {
                    return branch.body.run(scope, out);
                }
            }
            return last.run(scope, out);
        };
    }

    private Statement.Action set(Token tag) {
        Target target = target(true, "");
        if (tokens.take("=")) {
            Expression value = expressions.tuple(true, null);
            return (scope, out) -> {
                target.assign(scope, value.evaluate(scope));
                return Flow.NEXT;
            };
        }
        Expression text = captured(tag);
        Expression value = tokens.take("|") ? expressions.filterChain(text) : text;
        Body body = scopedBody(tag);
        return (scope, out) -> {
            Scope inner = scope.inner();
            Flow flow = capture(body, inner);
            if (flow == Flow.NEXT) {
                Object result = value.evaluate(inner);
                target.assign(scope, scope.escapes() ? Text.markup(result) : result);
            }
            return flow;
        };
    }

    private Statement.Action filter(Token tag) {
        Expression value = expressions.filterChain(captured(tag));
        Body body = scopedBody(tag);
        return (scope, out) -> {
            Scope inner = scope.inner();
            Flow flow = capture(body, inner);
            return flow == Flow.NEXT ? write(out, text(tag, value.evaluate(inner))) : flow;
        };
    }

    /** What {@link #capture} has kept. */
    private static Expression captured(Token tag) {
        return new Expression(tag.line(), scope -> scope.get(CAPTURED));
    }

    /** Runs a body, and keeps what it writes in a variable of its scope. */
    private static Flow capture(Body body, Scope scope) {
        TextBuilder text = new TextBuilder(scope.budget());
        Flow flow = body.run(scope, text);
        scope.set(CAPTURED, scope.captured(text.toString()));
        return flow;
    }

    private Statement.Action with(Token tag) {
        List<Target> targets = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!tokens.at(Kind.BLOCK_END) && !tokens.at(":")) {
            if (!targets.isEmpty()) {
                tokens.expect(",");
            }
            targets.add(target(false, ""));
            tokens.expect("=");
            values.add(expressions.expression());
        }
        Body body = scopedBody(tag);
        return (scope, out) -> {
            Scope inner = scope.inner();
            for (int i = 0; i < targets.size(); ++i) {
                targets.get(i).assign(inner, values.get(i).evaluate(scope));
            }
            return body.run(inner, out);
        };
    }

    private Statement.Action macro(Token tag) {
        String name = tokens.name();
        MacroDefinition definition = definition(tag, name, parameters(tag));
        return (scope, out) -> {
            scope.set(name, new Macro(definition, scope));
            return Flow.NEXT;
        };
    }

    private Statement.Action call(Token tag) {
        List<MacroDefinition.Parameter> parameters = tokens.at("(") ? parameters(tag) : List.of();
        if (!(expressions.expression() instanceof Call call)) {
            throw new JinjaException("tag 'call': expected a call").at(tag.line());
        }
        MacroDefinition definition = definition(tag, null, parameters);
        return (scope, out) ->
                write(out, text(tag, call.evaluate(scope, new Macro(definition, scope))));
    }

    /** What a block writes, which nothing makes a string of. */
    private static String text(Token tag, Object value) {
        if (!Text.is(value)) {
            throw new JinjaException(
                    "tag '" + tag.text() + "': expected a string, found " + Values.describe(value));
        }
        return Text.of(value);
    }

    private List<MacroDefinition.Parameter> parameters(Token tag) {
        List<MacroDefinition.Parameter> parameters = new ArrayList<>();
        Set<String> known = new HashSet<>();
        tokens.expect("(");
        while (!tokens.take(")")) {
            if (!parameters.isEmpty()) {
                tokens.expect(",");
            }
            String name = tokens.name();
            Expression missing = tokens.take("=") ? expressions.expression() : null;
            boolean afterDefault =
                    !parameters.isEmpty()
                            && parameters.get(parameters.size() - 1).missing() != null;
            if (!known.add(name) || CONSTANTS.contains(name) || (afterDefault && missing == null)) {
                throw new JinjaException(
                                "parameter '" + name + "' is there twice or lacks a default")
                        .at(tag.line());
            }
            names.parameter(name);
            parameters.add(new MacroDefinition.Parameter(name, missing));
        }
        return parameters;
    }

    private MacroDefinition definition(
            Token tag, String name, List<MacroDefinition.Parameter> parameters) {
        names.beginMacro();
        Body body = functionBody(tag);
        Set<String> special = names.endMacro();
        for (MacroDefinition.Parameter parameter : parameters) {
            if (special.remove(parameter.name())
                    && parameter.name().equals("caller")
                    && parameter.missing() == null) {
                throw new JinjaException("parameter 'caller' needs a default").at(tag.line());
            }
        }
        return new MacroDefinition(name, parameters, body, special);
    }

    private Statement.Action block(Token tag) {
        String name = tokens.name();
        boolean scoped = tokens.takeName("scoped");
        boolean required = tokens.takeName("required");
        Body body = functionBody(tag);
        tokens.takeName(name);
        if (blocks.put(name, body) != null) {
            throw new JinjaException("block '" + name + "' is there twice").at(tag.line());
        }
        return (scope, out) -> {
            if (required) {
                throw new JinjaException("no template fills the required block '" + name + "'");
            }
            return body.run(scoped ? scope.inner() : scope.outermost().inner(), out);
        };
    }

    private Statement.Action print() {
        List<Expression> values = new ArrayList<>();
        while (!tokens.at(Kind.BLOCK_END)) {
            if (!values.isEmpty()) {
                tokens.expect(",");
            }
            values.add(expressions.expression());
        }
        return (scope, out) -> {
            for (Expression value : values) {
                write(out, value, scope);
            }
            return Flow.NEXT;
        };
    }

    private Statement.Action autoescape(Token tag) {
        Expression on = expressions.expression();
        Body body = scopedBody(tag);
        return (scope, out) -> body.run(scope.inner(on.isTrue(scope)), out);
    }

    /** Marks what the model is to be trained on; for prompts it is nothing. */
    private Statement.Action generation(Token tag) {
        Body body = functionBody(tag);
        return (scope, out) -> body.run(scope.inner(), out);
    }

    /** Tags that read other templates, of which there are none, fail if they run. */
    private Statement.Action otherTemplate(Token tag) {
        expressions.expression();
        while (!tokens.at(Kind.BLOCK_END) && !tokens.at(Kind.END)) {
            tokens.next();
        }
        return (scope, out) -> {
            throw new JinjaException("tag '" + tag.text() + "': there are no other templates");
        };
    }
}

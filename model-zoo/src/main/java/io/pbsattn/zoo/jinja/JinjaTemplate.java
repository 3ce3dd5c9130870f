package io.pbsattn.zoo.jinja;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.interpret.UnknownTagException;
import com.hubspot.jinjava.tree.ExpressionNode;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import com.hubspot.jinjava.tree.output.RenderedOutputNode;
import com.hubspot.jinjava.tree.parse.ExpressionToken;
import com.hubspot.jinjava.tree.parse.Token;
import java.time.Clock;
import java.util.Collections;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A template in the language of Jinja2, set up as transformers does for chat templates: {@code
 * trim_blocks}, {@code lstrip_blocks}, immutable values, {@code break} and {@code continue}, the
 * tag {@code generation}, the functions {@code raise_exception} and {@code strftime_now}, and
 * {@code tojson} in the form of Python's {@code json.dumps}. jinjava reads it and keeps its scopes;
 * what its values and operators are is Python's.
 *
 * <p>What a template may use is what chat templates use; anything else is refused with its name and
 * line, never left out of the text. A template may be rendered by several threads at once.
 */
public final class JinjaTemplate {

    private static final JinjavaConfig CONFIG =
            JinjavaConfig.newBuilder()
                    .withLegacyOverrides(
                            LegacyOverrides.Builder.from(LegacyOverrides.ALL)
                                    .withWhitespaceRequiredWithinTokens(false)
                                    .build())
                    .withNestedInterpretationEnabled(false)
                    .build();
    private static final Set<String> BRANCHES = Set.of("elif", "else");

    private final Jinjava jinjava = new Jinjava(CONFIG);
    private final Node root;

    /** What stands in tags and expressions. */
    private final IdentityHashMap<Token, Object> parsed = new IdentityHashMap<>();

    /** The strings among them. */
    private final Set<String> strings = new HashSet<>();

    private JinjaTemplate(String source) {
        JinjavaInterpreter interpreter = interpreter(new Context(jinjava.getGlobalContext()));
        interpreter.getContext().setExpressionStrategy(this::write);
        Tags tags = new Tags(this);
        tags.all().forEach(interpreter.getContext()::registerTag);
        JinjavaInterpreter.pushCurrent(interpreter);
        try {
            root = interpreter.parse(TemplateSource.prepare(source));
        } catch (InterpretException e) {
            throw new JinjaException(e.getMessage()).at(e.getLineNumber());
        } finally {
            JinjavaInterpreter.popCurrent();
        }
        refuse(interpreter.getErrors());
        root.getChildren().forEach(node -> read(node, "", tags));
    }

    /**
     * Reads a template.
     *
     * @param source the template
     * @return the template, ready to be rendered
     * @throws JinjaException if it is not well formed, or uses what is not supported
     */
    public static JinjaTemplate compile(String source) {
        return new JinjaTemplate(source);
    }

    /**
     * The strings that stand in the template's tags and expressions.
     *
     * @return what it writes or compares with
     */
    public Set<String> strings() {
        return Collections.unmodifiableSet(strings);
    }

    private static void refuse(List<TemplateError> errors) {
        for (TemplateError error : errors) {
            throw (error.getException() instanceof UnknownTagException unknown
                            ? unsupported(unknown.getTag())
                            : new JinjaException(error.getMessage()))
                    .at(error.getLineno());
        }
    }

    private static JinjaException unsupported(String tag) {
        return new JinjaException("unknown or unsupported tag '" + tag + "'");
    }

    private void read(Node node, String parent, Tags tags) {
        try {
            if (node instanceof ExpressionNode) {
                ExpressionToken token = (ExpressionToken) node.getMaster();
                parsed.put(token, ExpressionParser.expression(token.getExpr(), strings));
            } else if (node instanceof TagNode tag) {
                boolean isBranch = parent.equals("if") || (parent.equals("for") && !isElif(tag));
                if (BRANCHES.contains(tag.getName()) ? !isBranch : !tags.knows(tag.getTag())) {
                    throw unsupported(tag.getName());
                }
                parsed.put(tag.getMaster(), Tags.read(tag, strings));
            }
        } catch (JinjaException e) {
            throw e.at(node.getLineNumber());
        }
        node.getChildren().forEach(child -> read(child, node.getName(), tags));
    }

    private static boolean isElif(TagNode tag) {
        return tag.getName().equals("elif");
    }

    /** What stands in a tag, as {@link Tags#read} has read it. */
    <T> T head(TagNode tag, Class<T> type) {
        return type.cast(parsed.get(tag.getMaster()));
    }

    private RenderedOutputNode write(ExpressionToken token, JinjavaInterpreter interpreter) {
        Expression expression = (Expression) parsed.get(token);
        return new RenderedOutputNode(Python.text(expression.evaluate(interpreter)));
    }

    JinjavaInterpreter interpreter(Context context) {
        return new JinjavaInterpreter(jinjava, context, CONFIG);
    }

    /**
     * Writes the template's text.
     *
     * @param variables strings, numbers, booleans, nulls, lists and maps of them
     * @param clock what {@code strftime_now} tells
     * @return the text
     * @throws JinjaException if the template raises an exception or fails
     */
    public String render(Map<String, ?> variables, Clock clock) {
        JinjavaInterpreter interpreter = interpreter(new Context(jinjava.getGlobalContext()));
        Functions.all(clock).forEach((name, f) -> Variables.set(interpreter, name, f));
        variables.forEach((name, v) -> Variables.set(interpreter, name, Python.value(v)));
        try {
            return Tags.render(root.getChildren(), interpreter);
        } catch (StackOverflowError e) {
            throw new JinjaException("a macro calls itself without end");
        }
    }
}

package io.pbsattn.zoo.jinja;

import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.FlexibleTag;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import com.hubspot.jinjava.tree.parse.TagToken;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import jinjava.de.odysseus.el.tree.impl.Parser;
import jinjava.de.odysseus.el.tree.impl.Scanner;

/**
 * The tags of chat templates, in Jinja2's scopes: every turn of a loop has its own, and a macro
 * sees the variables of the place where it was defined.
 */
final class Tags {

    private static final String LOOP = "loop";

    private final JinjaTemplate template;
    private final List<Tag> all =
            List.of(
                    new If(),
                    new For(),
                    new Assignment(),
                    new Macro(),
                    new Generation(),
                    new Interrupt("break"),
                    new Interrupt("continue"));

    Tags(JinjaTemplate template) {
        this.template = template;
    }

    List<Tag> all() {
        return all;
    }

    /** Whether a tag is one of these, and not one of jinjava's own. */
    boolean knows(Tag tag) {
        return all.contains(tag);
    }

    /** Reads what stands behind a tag's name, or null if there is nothing to be read. */
    static Object read(TagNode node, Set<String> strings) {
        String source = node.getHelpers();
        return switch (node.getName()) {
            case "if", "elif" -> ExpressionParser.parse(source, strings, ExpressionParser::or);
            case "for" -> ExpressionParser.parse(source, strings, ForHead::read);
            case "set" -> ExpressionParser.parse(source, strings, SetHead::read);
            case "macro" -> ExpressionParser.parse(source, strings, MacroHead::read);
            default -> {
                if (!source.isBlank()) {
                    throw new JinjaException(
                            "'" + node.getName() + "': unexpected '" + source.strip() + "'");
                }
                yield null;
            }
        };
    }

    /** Renders nodes up to a break or continue. */
    static String render(List<Node> nodes, JinjavaInterpreter interpreter) {
        StringBuilder text = new StringBuilder();
        Object loop = interpreter.getContext().get(LOOP);
        for (Node node : nodes) {
            try {
                text.append(node.render(interpreter).getValue());
            } catch (JinjaException e) {
                throw e.at(node.getLineNumber());
            } catch (InterpretException e) {
                throw (e.getCause() instanceof JinjaException cause
                                ? cause
                                : new JinjaException(e.getMessage()))
                        .at(node.getLineNumber());
            }
            if (loop instanceof Loop turn && turn.isInterrupted()) {
                break;
            }
        }
        return text.toString();
    }

    private static void unpack(JinjavaInterpreter interpreter, List<String> names, Object value) {
        if (names.size() == 1) {
            Variables.set(interpreter, names.get(0), value);
            return;
        }
        List<Object> parts = Python.items(value);
        if (parts.size() != names.size()) {
            throw new JinjaException("expected " + names.size() + " values, found " + parts.size());
        }
        for (int i = 0; i < parts.size(); ++i) {
            Variables.set(interpreter, names.get(i), parts.get(i));
        }
    }

    private static List<String> names(ExpressionParser parser)
            throws Scanner.ScanException, Parser.ParseException {
        List<String> names = new ArrayList<>();
        do {
            names.add(parser.name());
        } while (parser.take(","));
        return names;
    }

    private final class If implements Tag {

        @Override
        public String getName() {
            return "if";
        }

        @Override
        public String interpret(TagNode node, JinjavaInterpreter interpreter) {
            List<Node> chosen = new ArrayList<>();
            boolean isOpen = isTrue(node, interpreter);
            boolean isDone = isOpen;
            for (Node child : node.getChildren()) {
                if (child instanceof TagNode tag && tag.getName().equals("elif")) {
                    isOpen = !isDone && isTrue(tag, interpreter);
                    isDone |= isOpen;
                } else if (child.getName().equals("else")) {
                    isOpen = !isDone;
                } else if (isOpen) {
                    chosen.add(child);
                }
            }
            return render(chosen, interpreter);
        }

        private boolean isTrue(TagNode tag, JinjavaInterpreter interpreter) {
            Expression condition = template.head(tag, Expression.class);
            return Python.isTrue(condition.evaluate(interpreter));
        }
    }

    private record ForHead(List<String> names, Expression items, Expression condition) {

        static ForHead read(ExpressionParser parser)
                throws Scanner.ScanException, Parser.ParseException {
            List<String> names = Tags.names(parser);
            parser.expect("in");
            Expression items = parser.or();
            Expression condition = parser.take("if") ? parser.expression() : null;
            if (parser.at("recursive")) {
                throw new JinjaException("'for': recursive loops are not supported");
            }
            return new ForHead(names, items, condition);
        }
    }

    private final class For implements Tag {

        @Override
        public String getName() {
            return "for";
        }

        @Override
        public String interpret(TagNode node, JinjavaInterpreter interpreter) {
            ForHead head = template.head(node, ForHead.class);
            List<Object> items = Python.items(head.items.evaluate(interpreter));
            if (head.condition != null) {
                items.removeIf(item -> !isWanted(head, item, interpreter));
            }
            List<Node> body = new ArrayList<>(node.getChildren());
            List<Node> otherwise = List.of();
            for (int i = 0; i < body.size(); ++i) {
                if (body.get(i).getName().equals("else")) {
                    otherwise = body.subList(i + 1, body.size());
                    body = body.subList(0, i);
                    break;
                }
            }
            if (items.isEmpty()) {
                return render(otherwise, interpreter);
            }
            Loop loop = new Loop(items);
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < items.size() && !loop.isEnded(); ++i) {
                loop.goTo(i);
                Object item = items.get(i);
                List<Node> nodes = body;
                text.append(
                        Variables.inScope(
                                interpreter,
                                () -> {
                                    Variables.set(interpreter, LOOP, loop);
                                    unpack(interpreter, head.names, item);
                                    return render(nodes, interpreter);
                                }));
            }
            return text.toString();
        }

        private boolean isWanted(ForHead head, Object item, JinjavaInterpreter interpreter) {
            return Variables.inScope(
                    interpreter,
                    () -> {
                        unpack(interpreter, head.names, item);
                        return Python.isTrue(head.condition.evaluate(interpreter));
                    });
        }
    }

    /** {@code break} and {@code continue}. */
    private static final class Interrupt implements Tag {

        private final String name;

        Interrupt(String name) {
            this.name = name;
        }

        @Override
        public String getName() {
            return name;
        }

        @Override
        public String getEndTagName() {
            return null;
        }

        @Override
        public String interpret(TagNode node, JinjavaInterpreter interpreter) {
            if (!(interpreter.getContext().get(LOOP) instanceof Loop loop)) {
                throw new JinjaException("'" + name + "' outside of a loop");
            }
            loop.interrupt(name.equals("break"));
            return "";
        }
    }

    /**
     * Names, or one attribute of a namespace; without a value what stands in the block is meant.
     */
    private record SetHead(List<String> names, String attribute, Expression value) {

        static SetHead read(ExpressionParser parser)
                throws Scanner.ScanException, Parser.ParseException {
            List<String> names = Tags.names(parser);
            String attribute = names.size() == 1 && parser.take(".") ? parser.name() : null;
            if (!parser.take("=")) {
                return new SetHead(names, attribute, null);
            }
            List<Expression> values = new ArrayList<>();
            do {
                values.add(parser.expression());
            } while (parser.take(","));
            return new SetHead(
                    names, attribute, values.size() == 1 ? values.get(0) : tuple(values));
        }

        private static Expression tuple(List<Expression> values) {
            return interpreter -> {
                List<Object> items = new ArrayList<>();
                values.forEach(value -> items.add(value.evaluate(interpreter)));
                return new Tuple(items);
            };
        }
    }

    private final class Assignment implements Tag, FlexibleTag {

        @Override
        public String getName() {
            return "set";
        }

        @Override
        public boolean hasEndTag(TagToken token) {
            return ExpressionParser.parse(token.getHelpers(), new HashSet<>(), SetHead::read).value
                    == null;
        }

        @Override
        public String interpret(TagNode node, JinjavaInterpreter interpreter) {
            SetHead head = template.head(node, SetHead.class);
            Object value =
                    head.value == null
                            ? Variables.inScope(
                                    interpreter, () -> render(node.getChildren(), interpreter))
                            : head.value.evaluate(interpreter);
            if (head.attribute == null) {
                unpack(interpreter, head.names, value);
            } else if (Variables.get(interpreter, head.names.get(0)) instanceof Namespace space) {
                space.set(head.attribute, value);
            } else {
                throw new JinjaException("'" + head.names.get(0) + "' is not a namespace");
            }
            return "";
        }
    }

    /** The parameters of a macro; the value of one without a default is null. */
    private record MacroHead(String name, Map<String, Expression> parameters) {

        static MacroHead read(ExpressionParser parser)
                throws Scanner.ScanException, Parser.ParseException {
            MacroHead head = new MacroHead(parser.name(), new LinkedHashMap<>());
            parser.expect("(");
            while (!parser.take(")")) {
                String parameter = parser.name();
                head.parameters.put(parameter, parser.take("=") ? parser.expression() : null);
                if (!parser.at(")")) {
                    parser.expect(",");
                }
            }
            return head;
        }
    }

    private final class Macro implements Tag {

        @Override
        public String getName() {
            return "macro";
        }

        @Override
        public String interpret(TagNode node, JinjavaInterpreter interpreter) {
            MacroHead head = template.head(node, MacroHead.class);
            Context definition = interpreter.getContext();
            Callable macro =
                    (positional, named) -> {
                        JinjavaInterpreter inner = template.interpreter(new Context(definition));
                        Arguments arguments = new Arguments(head.name, positional, named);
                        head.parameters.forEach(
                                (name, missing) ->
                                        Variables.set(
                                                inner,
                                                name,
                                                argument(arguments, name, missing, inner)));
                        arguments.end();
                        return render(node.getChildren(), inner);
                    };
            Variables.set(interpreter, head.name, macro);
            return "";
        }

        private static Object argument(
                Arguments arguments,
                String name,
                Expression missing,
                JinjavaInterpreter interpreter) {
            Object unset = new Undefined("parameter '" + name + "' was not provided");
            Object given = arguments.take(name, unset);
            return given == unset && missing != null ? missing.evaluate(interpreter) : given;
        }
    }

    /** Marks what the model is to be trained on; for prompts it is nothing. */
    private static final class Generation implements Tag {

        @Override
        public String getName() {
            return "generation";
        }

        @Override
        public String interpret(TagNode node, JinjavaInterpreter interpreter) {
            return render(node.getChildren(), interpreter);
        }
    }
}

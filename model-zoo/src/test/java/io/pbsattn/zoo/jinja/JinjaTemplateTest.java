package io.pbsattn.zoo.jinja;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.text.ChatData;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class JinjaTemplateTest {

    @DataProvider
    public Object[][] constructs() throws IOException {
        return cases("jinja.json");
    }

    /** Templates that {@code src/test/python/jinja_grammar.py} has made at random. */
    @DataProvider
    public Object[][] random() throws IOException {
        return cases("random.json");
    }

    private static Object[][] cases(String file) throws IOException {
        JsonObject data = ChatData.read(file);
        Map<String, Object> context = ChatData.map(data.get("context"));
        List<Object[]> cases = new ArrayList<>();
        for (JsonElement element : data.getAsJsonArray("cases")) {
            JsonObject object = element.getAsJsonObject();
            String text = object.has("text") ? object.get("text").getAsString() : null;
            cases.add(new Object[] {object.get("template").getAsString(), text, context});
        }
        return cases.toArray(new Object[0][]);
    }

    @Test(dataProvider = "constructs")
    public void rendersAsJinja2(String source, String expected, Map<String, Object> context) {
        check(source, expected, context);
    }

    @Test(dataProvider = "random")
    public void rendersAtRandomAsJinja2(
            String source, String expected, Map<String, Object> context) {
        check(source, expected, context);
    }

    /** What Jinja2 renders is rendered the same; where it fails, this fails. */
    private static void check(String source, String expected, Map<String, Object> context) {
        if (expected == null) {
            JinjaException e =
                    Assert.expectThrows(JinjaException.class, () -> render(source, context));
            Assert.assertTrue(e.getMessage().startsWith("line "), e.getMessage());
            Assert.assertFalse(e.getMessage().contains("unexpected java"), e.getMessage());
        } else {
            Assert.assertEquals(render(source, context), expected);
        }
    }

    private static String render(String source, Map<String, ?> variables) {
        return JinjaTemplate.compile(source).render(variables, ChatData.CLOCK);
    }

    /** What is refused though Jinja2 has it, and how that is named. */
    @DataProvider
    public Object[][] unsupported() {
        return new Object[][] {
            {"{% include 'x' %}", "line 1: tag 'include'"},
            {"\n{% extends 'x' %}", "line 2: tag 'extends'"},
            {"{% import 'x' as y with context %}", "line 1: tag 'import'"},
            {"{% from 'x' import y as z, w %}", "line 1: tag 'from'"},
            {"{{ 'x' | urlize }}", "line 1: unknown filter 'urlize'"},
            {"{{ lipsum() }}", "line 1: lipsum"},
            {"{{ 'x'.encode() }}", "line 1: a string has no attribute 'encode'"},
            {"{{ [1].append(2) }}", "line 1: 'append' changes a value"},
            {"{{ [1] | map('upper') }}", "line 1: an iterator has no text"},
            {"{{ '&raquo;' | striptags }}", "line 1: striptags: the entity '&raquo;'"},
            {"{{ '\\ud83d' }}", "line 1: a string has an escape that is no character"},
        };
    }

    @Test(dataProvider = "unsupported")
    public void refusesByName(String source, String named) {
        JinjaException e =
                Assert.expectThrows(JinjaException.class, () -> render(source, Map.of()));
        Assert.assertTrue(e.getMessage().startsWith(named), e.getMessage());
    }

    @DataProvider
    public Object[][] wrong() {
        return new Object[][] {
            {"a\n\n{{ x.y }}\n", "line 3: 'x' is undefined"},
            {"\n{% set (a, b = 1 %}", "line 2: unexpected '}'"},
            {"\n{% set a.b = 1 %}", "line 2: cannot set 'b': 'a' is no namespace"},
            {"\n{% set a, b = [1] %}", "line 2: expected 2 items to unpack, found 1"},
            {"{% if x %}\n{% set true = 1 %}{% endif %}", "line 2: 'true' cannot be set"},
            {"{{ 1 }}\n{% set a = 1 2 %}", "line 2: expected '%}', found '2'"},
            {"\n{% for x in y %}\n", "line 2: tag 'for' has no end"},
            {
                "{% for x in [1] %}\n{% set loop = 1 %}{% endfor %}",
                "line 2: 'loop' cannot be set in a loop"
            },
            {"\n{% break %}", "line 2: 'break' stands in no loop"},
            {"\n{% frob %}", "line 2: unknown or unsupported tag 'frob'"},
            {"\n{{ x | frob }}", "line 2: unknown filter 'frob'"},
            {"{% if true %}\n{{ x | frob }}{% endif %}", "line 2: unknown filter 'frob'"},
            {"\n{{ x is frob }}", "line 2: unknown test 'frob'"},
            {"\n\n{{ '\\x1' }}", "line 3: a string has a broken escape of hexadecimal digits"},
            {
                "{% macro f(a, a) %}{% endmacro %}",
                "line 1: parameter 'a' is there twice or lacks a default"
            },
            {"\n{{ raise_exception('no') }}", "line 2: no"},
        };
    }

    @Test(dataProvider = "wrong")
    public void errorsNameTheLine(String source, String message) {
        JinjaException e =
                Assert.expectThrows(JinjaException.class, () -> render(source, Map.of()));
        Assert.assertEquals(e.getMessage(), message);
    }

    /** What would exhaust the JVM or never end: templates, and messages that templates read. */
    @DataProvider
    public Object[][] excessive() {
        String grow = "{% set n = namespace(s=[1]) %}{% for i in range(60) %}";
        return new Object[][] {
            {"{{ range(-9223372036854775807, 9223372036854775807) | length }}", "too many items"},
            {"{{ range(10 ** 9) }}", "too many items"},
            {"{{ ('x' * 4294967297) | length }}", "a text of more than"},
            {"{{ 'x' * 2147483647 }}", "too"},
            {"{{ [1] * 2147483647 }}", "too many values"},
            {"{{ 10 ** 99999 }}", "an integer of more than"},
            {"{{ 2 ** 65536 }}", "an integer of more than 65536 bits"},
            {"{{ 'x'.center(2147483647) }}", "too"},
            {"{{ '%.999999999f' % 1.5 }}", "a number of more than"},
            {"{{ [1] | batch(2147483647, 0) | list }}", "too many steps"},
            {"{{ [1] | tojson(indent=2147483647) }}", "too"},
            {
                "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
                "too many steps"
            },
            {"{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}", "too much text"},
            {grow + "{% set n.s = n.s + n.s %}{% endfor %}", "too many values"},
            {grow + "{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}", "too"},
            {grow + "{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}", "too much text"},
            {
                "{% set n = namespace(s=1) %}{% for i in range(9999) %}{% set n.s = [n.s] %}{%"
                        + " endfor %}{{ n.s | tojson }}",
                "deep"
            },
            {
                "{% set n = namespace(s=[1]) %}{% for i in range(9999) %}{% set n.s = n.s | select"
                        + " %}{% endfor %}{{ n.s | list }}",
                "deep"
            },
            {"{% set n = namespace() %}{% set n.n = n %}{{ n }}", "deep"},
            {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep"},
            {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deep"},
            {"{% block b %}{{ self.b() }}{% endblock %}", "deep"},
            {"{{ ('a' * 999999).find('a' * 499999 ~ 'b') }}", "too many steps"},
            {"{{ " + "(".repeat(20_000) + "1" + ")".repeat(20_000) + " }}", "in one another"},
            {"{{ " + "-".repeat(20_000) + "1 }}", "in one another"},
            {"{{ 1" + "+1".repeat(20_000) + " }}", "in one another"},
            {"{{ x" + ".y".repeat(20_000) + " }}", "in one another"},
            {"{{ x" + "|trim".repeat(20_000) + " }}", "in one another"},
            {"{% if x %}".repeat(20_000) + "{% endif %}".repeat(20_000), "in one another"},
            {"x".repeat(Lexer.LONGEST + 1), "a template of more than"},
        };
    }

    @Test(dataProvider = "excessive")
    public void excessIsRefused(String source, String message) {
        Budget budget = new Budget(Budget.STEPS, 64 << 20);
        JinjaException e =
                Assert.expectThrows(
                        JinjaException.class,
                        () ->
                                JinjaTemplate.compile(source)
                                        .render(Map.of(), ChatData.CLOCK, budget));
        Assert.assertTrue(e.getMessage().startsWith("line "), e.getMessage());
        Assert.assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    /** Numbers and nests that a message holds. */
    @Test
    public void excessOfMessagesIsRefusedOrHarmless() {
        Map<String, Object> numbers = Map.of("x", "1e300000000", "y", "9".repeat(100_000));
        Assert.assertEquals(
                render("{{ x | int }} {{ y | int(-1) }} {{ y | float }}", numbers), "0 -1 inf");
        Object nest = 1;
        for (int i = 0; i < 100_000; ++i) {
            nest = List.of(nest);
        }
        Map<String, Object> nested = Map.of("x", nest);
        JinjaException e =
                Assert.expectThrows(JinjaException.class, () -> render("{{ x }}", nested));
        Assert.assertTrue(e.getMessage().contains("deep"), e.getMessage());
    }

    /** A spoilt template renders or is refused; it neither crashes nor runs for ever. */
    @Test(timeOut = 120_000)
    public void spoiltTemplatesFailCleanly() throws IOException {
        Map<String, Object> context = ChatData.map(ChatData.read("jinja.json").get("context"));
        TemplateMutator mutator = new TemplateMutator(7);
        int rendered = 0;
        for (int i = 0; i < 20_000; ++i) {
            rendered += TemplateMutator.renders(mutator.next(), context) ? 1 : 0;
        }
        Assert.assertTrue(rendered > 500, "only " + rendered + " were well formed");
    }
}

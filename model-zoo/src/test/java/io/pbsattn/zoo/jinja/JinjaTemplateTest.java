package io.pbsattn.zoo.jinja;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.text.ChatData;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class JinjaTemplateTest {

    private static final Pattern PIECE = Pattern.compile("\\w+|\\s+|\\{[{%#]-?|-?[}%#]\\}|.");

    /** Uses of Jinja2 that no template of the families needs, and what the error names. */
    private static final Map<String, String> REFUSED =
            Map.ofEntries(
                    Map.entry(".index('b')", "no attribute 'index'"),
                    Map.entry("\\u2028", "invalid escape sequence \\u"),
                    Map.entry("\\u00e9", "invalid escape sequence \\u"),
                    Map.entry("\\\nb", "invalid escape sequence"),
                    Map.entry("messages[]", "cannot read 'messages[]'"),
                    Map.entry("| float", "unknown filter 'float'"),
                    Map.entry("| sum", "unknown filter 'sum'"),
                    Map.entry("| escape", "unknown filter 'escape'"),
                    Map.entry("| abs", "unknown filter 'abs'"),
                    Map.entry("|abs", "unknown filter 'abs'"),
                    Map.entry("| format(", "unknown filter 'format'"),
                    Map.entry("joiner(", "'joiner' is undefined"),
                    Map.entry("{% filter ", "unsupported tag 'filter'"),
                    Map.entry("{% with ", "unsupported tag 'with'"),
                    Map.entry(".rsplit(", "no attribute 'rsplit'"));

    @DataProvider
    public Object[][] constructs() throws IOException {
        List<Object[]> cases = new ArrayList<>();
        for (JsonElement element : ChatData.read("jinja.json").getAsJsonArray("cases")) {
            JsonObject object = element.getAsJsonObject();
            String text = object.has("text") ? object.get("text").getAsString() : null;
            cases.add(new Object[] {object.get("template").getAsString(), text});
        }
        return cases.toArray(new Object[0][]);
    }

    /** What Jinja2 renders is rendered the same or refused by name; where it fails, this fails. */
    @Test(dataProvider = "constructs")
    public void rendersAsJinja2(String source, String expected) throws IOException {
        Map<String, Object> context = ChatData.map(ChatData.read("jinja.json").get("context"));
        String refusal =
                REFUSED.entrySet().stream()
                        .filter(entry -> source.contains(entry.getKey()))
                        .map(Map.Entry::getValue)
                        .findFirst()
                        .orElse("");
        if (expected == null || !refusal.isEmpty()) {
            JinjaException e =
                    Assert.expectThrows(JinjaException.class, () -> render(source, context));
            Assert.assertTrue(e.getMessage().contains(refusal), e.getMessage());
        } else {
            Assert.assertEquals(render(source, context), expected);
        }
    }

    private static String render(String source, Map<String, ?> variables) {
        return JinjaTemplate.compile(source).render(variables, ChatData.CLOCK);
    }

    @DataProvider
    public Object[][] unsupported() {
        return new Object[][] {
            {"{% include 'x' %}", "'include'"},
            {"{% call f() %}{% endcall %}", "'call'"},
            {"{% for m in messages recursive %}{% endfor %}", "recursive"},
            {"{{ x | groupby('y') }}", "'groupby'"},
            {"{{ x is filter }}", "'filter'"},
            {"{{ '%05d' % 3 }}", "'%' to a string"},
            {"{{ strftime_now('%U') }}", "%U"},
            {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "without end"},
            {"{{ range(10 ** 9) }}", "too many"},
            {"{{ 'x'.encode() }}", "'encode'"},
            {"{{ [1].append(2) }}", "'append'"},
        };
    }

    @Test(dataProvider = "unsupported")
    public void refusesByName(String source, String named) {
        JinjaException e =
                Assert.expectThrows(JinjaException.class, () -> render(source, Map.of()));
        Assert.assertTrue(e.getMessage().contains(named), e.getMessage());
    }

    @Test
    public void errorsNameTheLine() {
        JinjaException e =
                Assert.expectThrows(
                        JinjaException.class, () -> render("a\n\n{{ x.y }}\n", Map.of()));
        Assert.assertEquals(e.getMessage(), "line 3: 'x' is undefined");
    }

    /** A spoilt template renders or is refused; it neither crashes nor runs for ever. */
    @Test(timeOut = 120_000)
    public void spoiltTemplatesFailCleanly() throws IOException {
        Map<String, Object> context = ChatData.map(ChatData.read("jinja.json").get("context"));
        List<String> pieces = new ArrayList<>();
        for (Object[] construct : constructs()) {
            Matcher words = PIECE.matcher((String) construct[0]);
            while (words.find()) {
                pieces.add(words.group());
            }
        }
        Random random = new Random(7);
        int rendered = 0;
        for (int i = 0; i < 20_000; ++i) {
            int from = random.nextInt(pieces.size() - 40);
            List<String> spoilt =
                    new ArrayList<>(pieces.subList(from, from + 5 + random.nextInt(30)));
            for (int change = random.nextInt(4); change > 0; --change) {
                spoilt.set(
                        random.nextInt(spoilt.size()), pieces.get(random.nextInt(pieces.size())));
            }
            String source = (random.nextBoolean() ? "" : "{{ ") + String.join("", spoilt);
            try {
                render(source, context);
                ++rendered;
            } catch (JinjaException e) {
                Assert.assertFalse(e.getMessage().isBlank(), source);
            } catch (RuntimeException e) {
                throw new AssertionError(source, e);
            }
        }
        Assert.assertTrue(rendered > 500, "only " + rendered + " were well formed");
    }
}

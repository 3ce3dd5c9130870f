package io.pbsattn.zoo.jinja;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.ChatData;
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

    /** What Jinja2 renders is rendered the same; where Jinja2 fails, this fails. */
    @Test(dataProvider = "constructs")
    public void rendersAsJinja2(String source, String expected) throws IOException {
        Map<String, Object> context = ChatData.map(ChatData.read("jinja.json").get("context"));
        if (expected == null) {
            Assert.expectThrows(JinjaException.class, () -> render(source, context));
        } else {
            Assert.assertEquals(render(source, context), expected);
        }
    }

    private static String render(String source, Map<String, ?> variables) {
        return JinjaTemplate.compile(source, ChatData.CLOCK).render(variables).toString();
    }

    @DataProvider
    public Object[][] unsupported() {
        return new Object[][] {
            {"{% include 'x' %}", "'include'"},
            {"{% call f() %}{% endcall %}", "'call'"},
            {"{% for m in messages recursive %}{% endfor %}", "recursive"},
            {"{{ x | groupby('y') }}", "'groupby'"},
            {"{{ x is filter }}", "'filter'"},
            {"{{ '%05d' % 3 }}", "'%0'"},
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

    @DataProvider
    public Object[][] origins() {
        return new Object[][] {
            // A template, and what it makes of x = " Ab<c> d " (o: from outside, t: the
            // template's).
            {"{{ x }}!", "ooooooooot"},
            {"[{{ x | trim }}]", "tooooooot"},
            {"{{ x.strip()[1:3] ~ 'y' + x.strip()[-1] }}", "ooto"},
            {"{{ x.split('<')[0] }}<{{ x.split('<')[1] }}", "oootooooo"},
            {"{{ x.replace('b<', 'zz') }}", "oottooooo"},
            {"{{ 'x y'.replace('y', x) }}", "ttooooooooo"},
            {"{{ x | upper }}{{ x.lower() }}", "oooooooooooooooooo"},
            {"{{ [x, 'z'] | join('-') }}", "ooooooooott"},
            {"{{ '%s!' % x }}{{ '%s?' | format(x) }}", "ooooooooot" + "ooooooooot"},
            {"{{ {'k': x} | tojson }}", "ttttttt" + "ooooooooo" + "tt"},
            {"{{ [x] }}", "ttooooooooott"},
            {"{% set y %}a{{ x }}{% endset %}{{ y[:2] }}", "to"},
            {"{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(x)[:2] }}", "to"},
            {"{% for c in x %}{{ c }}.{% endfor %}", "ototototototototot"},
            {"{{ x | reverse }}{{ x[::2] }}", "oooooooooooooo"},
            {"{% if x == ' Ab<c> d ' and '<c>' in x %}same{% endif %}", "tttt"},
            {"{{ d.k }}{{ d['k'] }}{{ (d | items | first)[1] }}", "ooo"},
            {"{{ x | default('d') | string | indent(1, first=true) }}", "tooooooooo"},
        };
    }

    /** Every character of a text keeps its origin, whatever the template does with it. */
    @Test(dataProvider = "origins")
    public void knowsWhatCameFromOutside(String source, String origins) {
        Map<String, Object> variables =
                Map.of(
                        "x", JinjaTemplate.outside(" Ab<c> d "),
                        "d", Map.of("k", JinjaTemplate.outside("v")));
        Text text = JinjaTemplate.compile(source, ChatData.CLOCK).render(variables);
        StringBuilder found = new StringBuilder();
        for (int i = 0; i < text.toString().length(); ++i) {
            found.append(text.isOutside(i) ? 'o' : 't');
        }
        Assert.assertEquals(found.toString(), origins, text.toString());
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

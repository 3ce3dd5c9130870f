package io.pbsattn.zoo.jinja;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.zoo.ChatData;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

public class JinjaTemplateTest {

    /** Uses of Jinja2 that are refused here: rare, and never left out of a text silently. */
    private static final List<String> REFUSED = List.of("{{ loop }}");

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
        if (expected == null || REFUSED.contains(source)) {
            Assert.expectThrows(JinjaException.class, () -> render(source, context));
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
}

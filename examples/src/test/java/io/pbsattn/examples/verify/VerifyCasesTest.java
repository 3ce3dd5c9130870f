package io.pbsattn.examples.verify;

import static io.pbsattn.examples.Run.run;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonObject;
import io.pbsattn.examples.Run;
import io.pbsattn.examples.model.DemoModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.testng.Assert;
import org.testng.annotations.BeforeMethod;
import org.testng.annotations.Test;

/** Cases of templates and tokenizers, with values that are right and values that are wrong. */
public class VerifyCasesTest {

    private static final String TEXT = "Where is it?\nAnswer:";

    private Path folder;
    private Path first;
    private long[] ids;

    @BeforeMethod
    public void write() throws Exception {
        folder = Files.createTempDirectory("cases");
        first = Files.createDirectory(folder.resolve("first"));
        Path demo = DemoModel.unpack();
        Files.copy(demo.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
        // As git writes a link where there are none.
        Files.writeString(first.resolve("tokenizer.json"), "../tokenizer.json");
        Files.writeString(
                first.resolve("chat_template.jinja"),
                "{% for m in messages %}{{ m.content }}{{ m.extra }}{{ tools or '' }}{{ n }}{%"
                        + " endfor %}{% if add_generation_prompt %}{{ '\\n"
                        + "Answer:' }}{% endif %}");
        Files.writeString(
                first.resolve("case.json"),
                "{\"messages\": [{\"role\": \"user\", \"content\": \"Where is it?\"}],"
                        + " \"raw\": \"it\"}");
        try (HuggingFaceTokenizer tokenizer =
                HuggingFaceTokenizer.newInstance(demo.resolve("tokenizer.json"))) {
            ids = tokenizer.encode(TEXT, false, false).getIds();
        }
    }

    private String right() {
        return "{\"text\": \"Where is it?\\nAnswer:\", \"ids\": " + Arrays.toString(ids) + "}";
    }

    private JsonObject verify(int status) {
        Run run = run("verify", "cases", folder.toString(), "--json");
        Assert.assertEquals(run.status(), status, run.out() + run.err());
        return run.json();
    }

    private static JsonObject only(JsonObject json) {
        return json.getAsJsonArray("cases").get(0).getAsJsonObject();
    }

    @Test
    public void rightValuesOfFolderOrParentPass() throws IOException {
        Files.writeString(folder.resolve("right.json"), "{\"first\": " + right() + "}");
        JsonObject json = verify(0);
        Assert.assertEquals(json.get("passed").getAsInt(), 1);
        Assert.assertEquals(json.get("failed").getAsInt(), 0);
        Assert.assertEquals(only(json).get("name").getAsString(), "first");
        Files.delete(folder.resolve("right.json"));
        Files.writeString(first.resolve("right.json"), right());
        verify(0);
        Assert.assertEquals(run("verify", "cases", first.toString()).status(), 0);
    }

    @Test
    public void wrongValuesFail() throws IOException {
        for (String wrong :
                new String[] {
                    right().replace("it?", "it!"),
                    "{\"ids\": [1, 2]}",
                    "{\"raw_ids\": []}",
                    "{\"error\": \"refused\"}"
                }) {
            Files.writeString(first.resolve("right.json"), wrong);
            JsonObject result = only(verify(1));
            Assert.assertFalse(result.get("passed").getAsBoolean());
            Assert.assertTrue(result.get("reason").getAsString().contains("expected"), wrong);
        }
    }

    @Test
    public void variablesReachTheTemplate() throws IOException {
        Files.writeString(
                first.resolve("case.json"),
                """
                {"messages": [{"role": "user", "content": "a", "extra": [1, 2.5, null, true]}],
                 "gen": false, "tools": [{"name": "f"}], "vars": {"n": 7}}
                """);
        Files.writeString(
                first.resolve("right.json"),
                "{\"text\": \"a[1, 2.5, None, True][{'name': 'f'}]7\"}");
        verify(0);
    }

    /** Where an error is right, it is an error that passes, but none of our own making. */
    @Test
    public void errorsAreRightWhereTheyAreExpected() throws IOException {
        Files.writeString(first.resolve("chat_template.jinja"), "{% nosuchtag %}");
        Files.writeString(first.resolve("right.json"), "{\"error\": \"TemplateSyntaxError\"}");
        verify(0);
        Files.writeString(first.resolve("right.json"), right());
        Assert.assertTrue(only(verify(1)).get("reason").getAsString().contains("nosuchtag"));
    }

    @Test
    public void casesOfWhichNobodySaysWhatIsRightAreNamed() throws IOException {
        Assert.assertEquals(run("verify", "cases", folder.toString()).status(), 1);
        Path second = Files.createDirectory(folder.resolve("second"));
        Files.writeString(second.resolve("case.json"), "{}");
        Files.writeString(folder.resolve("right.json"), "{\"first\": " + right() + "}");
        JsonObject json = verify(0);
        Assert.assertEquals(json.get("skipped").toString(), "[\"second\"]");
    }

    @Test
    public void filesOfAnotherFormAreNamed() throws IOException {
        Files.writeString(first.resolve("right.json"), right());
        for (String wrong :
                new String[] {
                    "", "[]", "{\"messages\": 3}", "{\"messages\": [{\"content\": 3}]}"
                }) {
            Files.writeString(first.resolve("case.json"), wrong);
            Run run = run("verify", "cases", folder.toString());
            Assert.assertEquals(run.status(), 1);
            Assert.assertTrue(run.err().contains(first.resolve("case.json") + ": "), run.err());
        }
        Assert.assertEquals(run("verify", "cases", "absent").status(), 1);
    }
}

package io.pbsattn.examples.chat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.examples.Run;
import io.pbsattn.examples.demo.Fact;
import io.pbsattn.examples.demo.FactDocument;
import io.pbsattn.examples.model.DemoModel;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.ModelOptions;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.testng.Assert;
import org.testng.annotations.Test;

/** Chats with the demo model, which finds facts in documents. */
public class ChatTest {

    private static final Fact FIRST = new Fact("ticket number", "amber falcon", "48213");
    private static final Fact SECOND = new Fact("door code", "quiet heron", "90417");
    private static final Pattern TIMINGS =
            Pattern.compile(
                    "\\[(\\d+) tokens, (\\d+) of them reused; prefill [\\d.]+ s, density"
                            + " ([\\d.]+); (\\d+) tokens at [\\d.]+ tokens/s]");

    private static Path document() throws IOException {
        Path document = Files.createTempFile("document", ".txt");
        Files.writeString(
                document,
                FactDocument.withFacts(
                        FactDocument.paragraphs().subList(0, 40), List.of(FIRST, SECOND)));
        return document;
    }

    @Test
    public void keepsWhatWasSaidAndRead() throws IOException {
        String out =
                chat(
                        "/document " + document(),
                        FIRST.question(),
                        "Question: " + SECOND.question(),
                        "/attention dense",
                        "Question: " + FIRST.question(),
                        "/reset",
                        "Hello",
                        "/exit",
                        "not said any more");
        List<Matcher> turns = turns(out);
        Assert.assertEquals(turns.size(), 4, out);
        String[] answers = TIMINGS.split(out, -1);
        Assert.assertTrue(answers[0].contains("48213"), out);
        Assert.assertTrue(answers[1].contains("90417"), out);
        Assert.assertTrue(answers[2].contains("48213"), out);
        Assert.assertTrue(answers[2].contains("attention dense"), out);
        // The second turn reads its question only, the third all of it by the other attention.
        int document = number(turns.get(0), 1);
        Assert.assertEquals(number(turns.get(0), 2), 0);
        Assert.assertTrue(number(turns.get(1), 2) > document - 10, out);
        Assert.assertEquals(number(turns.get(2), 2), 0);
        Assert.assertEquals(turns.get(2).group(3), "1.00", out);
        Assert.assertTrue(number(turns.get(2), 1) > number(turns.get(1), 1), out);
        Assert.assertTrue(number(turns.get(3), 1) < 20, out);
    }

    @Test
    public void systemMessageStandsFirst() {
        List<Matcher> turns =
                turns(
                        chat(
                                "--max-new-tokens=1",
                                "/system Answer in one word.",
                                "Hi",
                                "/reset",
                                "Hi",
                                "/reset",
                                "/system",
                                "Hi"));
        Assert.assertTrue(number(turns.get(0), 1) > number(turns.get(2), 1));
        Assert.assertEquals(number(turns.get(1), 1), number(turns.get(0), 1), "reset keeps it");
        Assert.assertEquals(number(turns.get(0), 4), 1, "--max-new-tokens");
    }

    @Test
    public void wrongLinesAreSaidAndTheChatGoesOn() {
        String out =
                chat(
                        "/frob",
                        "/attention sparse",
                        "/document absent.txt",
                        "/help",
                        "word ".repeat(33_000),
                        "",
                        "Hello");
        Assert.assertTrue(out.contains("/frob: no such command"), out);
        Assert.assertTrue(out.contains("/attention: "), out);
        Assert.assertTrue(out.contains("/document: absent.txt: no such file"), out);
        Assert.assertTrue(out.contains("/system [TEXT]"), out);
        Assert.assertTrue(out.contains("context limit"), out);
        List<Matcher> turns = turns(out);
        Assert.assertEquals(turns.size(), 1, out);
        Assert.assertTrue(number(turns.get(0), 1) < 20, "what did not fit is not kept");
    }

    /** An interrupt ends the answer and not the chat; a second one finds nothing to end. */
    @Test
    public void interruptEndsTheAnswer() throws Exception {
        Path folder = DemoModel.unpack();
        StringWriter text = new StringWriter();
        List<Boolean> interrupts = new ArrayList<>();
        ChatSession[] session = new ChatSession[1];
        PrintWriter out =
                new PrintWriter(text) {
                    @Override
                    public void flush() {
                        super.flush();
                        interrupts.add(session[0].interrupt());
                    }
                };
        try (ChatSession chat =
                new ChatSession(
                        kind -> LoadedModel.open(folder, new ModelOptions().optAttention(kind)),
                        AttentionKind.PBS,
                        new GenerationOptions().optMaxNewTokens(200),
                        out)) {
            session[0] = chat;
            Assert.assertFalse(chat.interrupt(), "nothing is being answered");
            Assert.assertTrue(chat.accept("Question: " + FIRST.question()));
            Assert.assertTrue(text.toString().contains("[ended]"), text.toString());
            Assert.assertTrue(interrupts.get(0));
            Assert.assertFalse(interrupts.contains(true) && interrupts.lastIndexOf(true) > 0);
            int length = text.toString().length();
            Assert.assertTrue(chat.accept("Question: " + SECOND.question()));
            Assert.assertTrue(text.toString().length() > length);
        }
    }

    /** The template adds its tokens to what is asked; without it there is the text only. */
    @Test
    public void askUsesTheTemplateUnlessItIsRaw() throws IOException {
        String document = document().toString();
        String[] arguments = {
            "ask",
            "--model=demo",
            "--document=" + document,
            "--question=" + FIRST.question(),
            "--max-new-tokens=8",
            "--json",
            "--raw"
        };
        int[] tokens = new int[2];
        String[] answers = new String[2];
        for (int i = 0; i < 2; ++i) {
            Run run = Run.withInput("", Arrays.copyOf(arguments, arguments.length - i));
            Assert.assertEquals(run.status(), 0, run.err());
            JsonObject answer =
                    JsonParser.parseString(run.out())
                            .getAsJsonObject()
                            .getAsJsonArray("answers")
                            .get(0)
                            .getAsJsonObject();
            tokens[i] = answer.get("promptTokens").getAsInt();
            answers[i] = answer.get("answer").getAsString();
        }
        Assert.assertTrue(tokens[1] > tokens[0], tokens[1] + " with, " + tokens[0] + " without");
        Assert.assertTrue(answers[1].startsWith("The ticket number"), answers[1]);
    }

    @Test
    public void modelWithoutATemplateIsRefused() throws IOException {
        Path folder = Files.createTempDirectory("model");
        Path demo = DemoModel.unpack();
        for (String name : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            Files.copy(demo.resolve(name), folder.resolve(name));
        }
        Run run = run("", "--model=" + folder);
        Assert.assertEquals(run.status(), 1);
        Assert.assertTrue(run.err().contains("no chat template"), run.err());
        Assert.assertEquals(run("", "--model=demo", "--context=1").status(), 2);
    }

    private static int number(Matcher turn, int group) {
        return Integer.parseInt(turn.group(group));
    }

    private static List<Matcher> turns(String out) {
        List<Matcher> turns = new ArrayList<>();
        out.lines().map(TIMINGS::matcher).filter(Matcher::matches).forEach(turns::add);
        return turns;
    }

    /** Runs a chat; lines that begin with two hyphens are options. */
    private static String chat(String... lines) {
        List<String> options = new ArrayList<>(List.of("--model=demo"));
        StringBuilder said = new StringBuilder();
        for (String line : lines) {
            if (line.startsWith("--")) {
                options.add(line);
            } else {
                said.append(line).append('\n');
            }
        }
        Run run = run(said.toString(), options.toArray(new String[0]));
        Assert.assertEquals(run.status(), 0, run.err());
        return run.out();
    }

    private static Run run(String input, String... options) {
        List<String> arguments = new ArrayList<>(List.of("chat"));
        arguments.addAll(List.of(options));
        return Run.withInput(input, arguments.toArray(new String[0]));
    }
}

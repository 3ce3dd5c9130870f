package io.pbsattn.examples;

import com.google.gson.JsonObject;
import io.pbsattn.examples.demo.Fact;
import io.pbsattn.examples.demo.FactDocument;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.BeforeClass;
import org.testng.annotations.Test;

/** Answers over a document, and what the options of attention do to them. */
public class AskTest {

    private static final Fact FACT = new Fact("ticket number", "amber falcon", "48213");
    private static final String WATCHED = "pbs.stdout.terminal";

    private Path document;

    @BeforeClass
    public void write() throws IOException {
        document = Files.createTempFile("document", ".txt");
        Files.writeString(
                document,
                FactDocument.withFacts(FactDocument.paragraphs().subList(0, 60), List.of(FACT)));
    }

    private String[] arguments(String... more) {
        List<String> arguments = new ArrayList<>();
        arguments.addAll(List.of("ask", "--model", "demo", "--document", document.toString()));
        arguments.addAll(List.of("--question", FACT.question()));
        arguments.addAll(List.of(more));
        return arguments.toArray(new String[0]);
    }

    private JsonObject ask(String... more) {
        List<String> options = new ArrayList<>(List.of(more));
        options.add("--json");
        Run run = Run.run(arguments(options.toArray(new String[0])));
        Assert.assertEquals(run.status(), 0, run.err());
        return run.json();
    }

    private static double density(JsonObject json) {
        return json.getAsJsonArray("answers").get(0).getAsJsonObject().get("density").getAsDouble();
    }

    /** Each option reaches the kernels: the density moves as it should. */
    @Test
    public void optionsOfAttentionCount() {
        Assert.assertEquals(density(ask("--threshold", "all", "--min-length", "0")), 1.0);
        Assert.assertEquals(density(ask("--min-length", "1000000")), 1.0);
        double sparse = density(ask("--threshold", "0.5", "--min-length", "0"));
        Assert.assertTrue(sparse < 0.9, "density " + sparse);
        double fewer = density(ask("--threshold", "0", "--min-length", "0"));
        Assert.assertTrue(fewer < sparse, fewer + " of " + sparse);
        double half = density(ask("--threshold", "0", "--min-length", "0", "--layers", "0,2-2"));
        Assert.assertEquals(half, (1 + fewer) / 2, 1e-3, "two of four layers are dense");
        double finer =
                density(
                        ask(
                                "--threshold",
                                "0",
                                "--min-length",
                                "0",
                                "--block-size",
                                "32",
                                "--segment-size",
                                "64"));
        Assert.assertTrue(finer < fewer, finer + " of " + fewer);
    }

    @Test
    public void theBackendThatRanIsNamed() {
        String[] forced = {"--backend", "reference", "--min-length", "0"};
        Assert.assertEquals(ask(forced).get("backend").getAsString(), "reference");
        Assert.assertEquals(ask().get("attention").getAsString(), "pbs");
        JsonObject dense = ask("--attention", "dense");
        Assert.assertEquals(dense.get("attention").getAsString(), "dense");
        Assert.assertEquals(density(dense), 1.0);
    }

    /** On a terminal pieces come as they are generated; elsewhere the answer comes whole. */
    @Test
    public void answersStreamOnATerminal() {
        String whole = Run.run(arguments()).out();
        Assert.assertTrue(whole.contains("48213"), whole);
        String[] shown = new String[1];
        Assert.assertTrue(flushes(shown, arguments()) > 5, "pieces are shown");
        String streamed = shown[0];
        Assert.assertEquals(withoutTimes(streamed), withoutTimes(whole));
        int flushes = flushes(shown, arguments("--json"));
        Assert.assertTrue(flushes < 3, "one object, whole: " + flushes);
    }

    private static String withoutTimes(String text) {
        return text.replaceAll("\\d+\\.\\d+ s", "- s").strip();
    }

    /** How often a run that is watched shows what it has so far. */
    private static int flushes(String[] shown, String... arguments) {
        int[] flushes = new int[1];
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        OutputStream counted =
                new OutputStream() {
                    private int before;

                    @Override
                    public void write(int b) {
                        bytes.write(b);
                    }

                    @Override
                    public void flush() {
                        flushes[0] += bytes.size() > before ? 1 : 0;
                        before = bytes.size();
                    }
                };
        PrintStream out = System.out;
        System.setProperty(WATCHED, "true");
        System.setOut(new PrintStream(counted, false, StandardCharsets.UTF_8));
        try {
            Assert.assertEquals(Main.run(arguments), 0);
        } finally {
            System.setOut(out);
            System.clearProperty(WATCHED);
        }
        shown[0] = bytes.toString(StandardCharsets.UTF_8);
        return flushes[0];
    }
}

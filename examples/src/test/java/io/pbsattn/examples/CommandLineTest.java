package io.pbsattn.examples;

import static io.pbsattn.examples.Run.run;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.pbsattn.examples.demo.Fact;
import io.pbsattn.examples.demo.FactDocument;
import io.pbsattn.examples.model.DemoModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** The command line's contract: exit status, and JSON alone on standard output. */
public class CommandLineTest {

    private static final Path OPERATOR =
            Path.of("../pbs-attn-djl/src/test/resources/golden/operator");
    private static final Path CHECKPOINTS =
            Path.of("../model-zoo/src/test/resources/golden/checkpoints");

    @Test
    public void wrongUsageIsStatusTwo() {
        Assert.assertEquals(run().status(), 2);
        Assert.assertEquals(run("dance").status(), 2);
        Assert.assertEquals(run("ask", "--model", "demo").status(), 2);
        Assert.assertEquals(run("verify").status(), 2);
        Assert.assertEquals(
                run("bench", "operator", "--q-heads", "3", "--kv-heads", "2").status(), 2);
        Assert.assertEquals(run("bench", "operator", "--density", "1.5").status(), 2);
        Assert.assertEquals(run("bench", "operator", "--min-length", "-1").status(), 2);
        Assert.assertEquals(run("bench", "operator", "--dtype", "float7").status(), 2);
        Assert.assertEquals(run("bench", "make-model", "--shape", "huge", "x").status(), 2);
        Assert.assertEquals(run("bench", "prefill", "--model", "x", "--strength", "2").status(), 2);
        Assert.assertEquals(run("bench", "decode", "--batch", "1").status(), 2);
        Assert.assertEquals(run("--help").status(), 0);
    }

    @DataProvider
    public Object[][] countedOptions() {
        return new Object[][] {
            {"bench operator", "--seqlen"},
            {"bench operator", "--q-heads"},
            {"bench operator", "--kv-heads"},
            {"bench operator", "--head-dim"},
            {"bench operator", "--runs"},
            {"bench prefill --model x", "--seqlen"},
            {"bench prefill --model x", "--chunk-tokens"},
            {"bench decode --model x", "--batch"},
            {"bench decode --model x", "--context"},
            {"bench decode --model x", "--tokens"},
            {"bench decode --model x", "--runs"},
            {"bench make-model x", "--layers"},
            {"torchscript --model x", "--tokens"},
            {"torchscript --model x", "--runs"},
        };
    }

    /** Before anything is loaded, with the option and what was found. */
    @Test(dataProvider = "countedOptions")
    public void countsAreFromOneOn(String command, String option) {
        for (String value : List.of("0", "-1", "3.5", "99999999999")) {
            Run run = run(with(command.split(" "), option, value));
            Assert.assertEquals(run.status(), 2, run.err());
            Assert.assertTrue(run.err().contains("'" + option), run.err());
            Assert.assertTrue(run.err().contains("from 1 on, found '" + value + "'"), run.err());
        }
    }

    @Test
    public void decodeTokensMayBeNone() {
        Run run = run("bench", "prefill", "--model", "x", "--decode-tokens", "-1");
        Assert.assertEquals(run.status(), 2);
        Assert.assertTrue(run.err().contains("'--decode-tokens'"), run.err());
    }

    /** Each command that loads a model says so before it reads or loads anything. */
    @Test
    public void wrongModelOptionIsWrongUsage() {
        String[][] commands = {
            {"ask", "--model", "absent", "--document", "absent", "--question", "x"},
            {"chat", "--model", "absent"},
            {"bench", "prefill", "--model", "absent"},
            {"bench", "decode", "--model", "absent"},
            {"verify", "checkpoints", "absent"},
        };
        String[][] wrong = {{"--dtype", "float7"}, {"--attention", "loose"}, {"--context", "1"}};
        for (String[] command : commands) {
            for (String[] option : wrong) {
                Run run = run(with(command, option));
                boolean isAllowed = "decode".equals(command[1]) && "--context".equals(option[0]);
                Assert.assertEquals(run.status(), isAllowed ? 1 : 2, String.join(" ", command));
                Assert.assertTrue(isAllowed || run.err().contains(option[0]), run.err());
            }
            Assert.assertEquals(run(command).status(), 1, String.join(" ", command));
        }
    }

    @Test
    public void samplingOptionOutOfRangeIsWrongUsage() {
        String[][] wrong = {
            {"--max-new-tokens", "0"},
            {"--temperature", "-1"},
            {"--top-k", "-1"},
            {"--top-p", "1.5"},
            {"--min-p", "2"},
            {"--repetition-penalty", "0"},
            {"--presence-penalty", "2.5"},
            {"--frequency-penalty", "-3"},
            {"--seed", "x"},
            {"--stop", ""},
        };
        for (String[] option : wrong) {
            Run run =
                    run(
                            "ask",
                            "--model",
                            "demo",
                            "--document",
                            "absent",
                            "--question",
                            "x",
                            option[0],
                            option[1]);
            Assert.assertEquals(run.status(), 2, option[0]);
            Assert.assertTrue(run.err().contains(option[0]), run.err());
        }
    }

    /** Each option reaches the model: none of the answers is the one without it. */
    @Test
    public void samplingOptionsCount() throws IOException {
        Path document = Files.createTempFile("document", ".txt");
        Fact fact = new Fact("ticket number", "amber falcon", "48213");
        Files.writeString(
                document,
                FactDocument.withFacts(
                        FactDocument.paragraphs().subList(0, 5), java.util.List.of(fact)));
        String greedy = answer(document, fact);
        Assert.assertTrue(greedy.contains("48213"), greedy);
        String even = answer(document, fact, "--temperature", "9", "--seed", "3", "--top-k", "0");
        Assert.assertNotEquals(even, greedy);
        String[][] greedyAgain = {
            {},
            {"--temperature", "9", "--top-k", "1"},
            {"--temperature", "9", "--top-p", "0"},
            {"--temperature", "9", "--min-p", "1"},
            {"--temperature", "0"},
        };
        for (String[] options : greedyAgain) {
            Assert.assertEquals(answer(document, fact, options), greedy);
        }
        String[] hot = {"--temperature", "9", "--top-k", "0", "--seed"};
        Assert.assertEquals(answer(document, fact, with(hot, "3")), even);
        Assert.assertNotEquals(answer(document, fact, with(hot, "4")), even);
        Assert.assertEquals(
                answer(document, fact, "--stop", "#", "--stop", "48213"),
                greedy.substring(0, greedy.indexOf("48213")).strip());
        Assert.assertNotEquals(answer(document, fact, "--repetition-penalty", "9"), greedy);
        String cut = answer(document, fact, "--max-new-tokens", "3");
        Assert.assertTrue(greedy.startsWith(cut) && cut.length() < greedy.length(), cut);
        String[] narrow = {"--temperature", "4", "--top-k", "8", "--seed", "1"};
        String base = answer(document, fact, narrow);
        Assert.assertNotEquals(
                answer(document, fact, with(narrow, "--presence-penalty", "2")), base);
        Assert.assertNotEquals(
                answer(document, fact, with(narrow, "--frequency-penalty", "-2")), base);
    }

    private static String[] with(String[] options, String... more) {
        return Stream.concat(Stream.of(options), Stream.of(more)).toArray(String[]::new);
    }

    private static String answer(Path document, Fact fact, String... options) {
        String[] ask = {
            "ask",
            "--model",
            "demo",
            "--document",
            document.toString(),
            "--question",
            fact.question(),
            "--json"
        };
        Run run = run(with(ask, options));
        Assert.assertEquals(run.status(), 0, run.err());
        return run.json()
                .get("answers")
                .getAsJsonArray()
                .get(0)
                .getAsJsonObject()
                .get("answer")
                .getAsString();
    }

    @Test
    public void failureIsStatusOneAndOneLine() {
        Run run = run("verify", "operator", "absent", "--json");
        Assert.assertEquals(run.status(), 1);
        Assert.assertEquals(run.out(), "");
        Assert.assertEquals(
                run.err().strip(), "pbs: " + Path.of("absent", "cases.json") + ": no such file");
        Assert.assertEquals(run("verify", "checkpoints", "absent").status(), 1);
        Assert.assertEquals(
                run("ask", "--model", "demo", "--document", "absent", "--question", "x").status(),
                1);
    }

    /** A model as huggingface_hub keeps it, and the answers of the commands that use it. */
    @Test
    public void modelsOfTheHubsCacheAreListedAndUsed() throws IOException {
        Path cache = Files.createTempDirectory("hub-cache");
        String commit = "0123456789abcdef0123456789abcdef01234567";
        Path folder = cache.resolve("models--org--retriever");
        Path snapshot = Files.createDirectories(folder.resolve("snapshots").resolve(commit));
        long bytes = 0;
        try (Stream<Path> files = Files.list(DemoModel.unpack())) {
            for (Path file : files.toList()) {
                Files.copy(file, snapshot.resolve(file.getFileName()));
                bytes += Files.size(file);
            }
        }
        Files.createDirectories(folder.resolve("refs"));
        Files.writeString(folder.resolve("refs").resolve("main"), commit);
        Path document = cache.resolve("document.txt");
        Files.writeString(document, "The access code of the amber falcon is 48213.");
        String question = "what is the access code of the amber falcon?";
        System.setProperty("HF_HUB_CACHE", cache.toString());
        System.setProperty("HF_HUB_OFFLINE", "1");
        try {
            JsonObject json = run("models", "--json").json();
            JsonObject known = json.getAsJsonArray("known").get(0).getAsJsonObject();
            Assert.assertEquals(known.get("artifactId").getAsString(), "retriever");
            Assert.assertEquals(known.get("bytes").getAsLong(), bytes);
            Assert.assertEquals(json.get("cache").getAsString(), cache.toString());
            Assert.assertEquals(json.getAsJsonArray("cached").size(), 1);
            JsonObject cached = json.getAsJsonArray("cached").get(0).getAsJsonObject();
            Assert.assertEquals(cached.get("model").getAsString(), "org/retriever");
            Assert.assertEquals(cached.get("commit").getAsString(), commit);
            Assert.assertEquals(cached.get("revisions").toString(), "[\"main\"]");
            Assert.assertEquals(cached.get("bytes").getAsLong(), bytes);
            Assert.assertTrue(cached.get("complete").getAsBoolean());
            Assert.assertEquals(cached.get("path").getAsString(), snapshot.toString());
            String text = run("models").out();
            Assert.assertTrue(text.contains("hf://org/retriever"), text);
            Assert.assertTrue(text.contains(snapshot.toString()), text);

            Run ask =
                    run(
                            "ask",
                            "--model",
                            "hf://org/retriever",
                            "--document",
                            document.toString(),
                            "--question",
                            question,
                            "--json");
            String answer = ask.json().getAsJsonArray("answers").toString();
            Assert.assertTrue(answer.contains("48213"), answer);
            Run absent = run("bench", "prefill", "--model", "hf://org/absent", "--seqlen", "64");
            Assert.assertEquals(absent.status(), 1);
            Assert.assertTrue(absent.err().contains("hf://org/absent"), absent.err());
            Assert.assertTrue(absent.err().contains("HF_HUB_OFFLINE"), absent.err());
            Assert.assertEquals(
                    run("bench", "prefill", "--model", "hf://a/b/c", "--seqlen", "64").status(), 1);
        } finally {
            System.clearProperty("HF_HUB_CACHE");
            System.clearProperty("HF_HUB_OFFLINE");
        }
    }

    @Test
    public void doctorKnowsTheBackends() {
        JsonObject json = run("doctor", "--json").json();
        Assert.assertEquals(json.get("djl").getAsString(), "0.36.0");
        Assert.assertEquals(json.get("libtorch").getAsString(), "2.7.1");
        String backends = json.get("backends").toString();
        Assert.assertTrue(backends.contains("\"name\":\"reference\",\"usable\":true"), backends);
        JsonObject cuda = json.get("backends").getAsJsonArray().get(0).getAsJsonObject();
        Assert.assertEquals(cuda.get("name").getAsString(), "cuda");
        Assert.assertFalse(cuda.get("reason").getAsString().isBlank());
        Assert.assertTrue(
                json.has("isa") && json.has("threads") && json.has("gpu") && json.has("version"));
    }

    @Test
    public void runsTorchScriptBothWays() {
        Run run =
                run(
                        "torchscript",
                        "--model",
                        "../pbs-attn-djl/src/test/resources/golden/torchscript/llama_sdpa.pt",
                        "--tokens",
                        "700",
                        "--min-length",
                        "0",
                        "--threshold",
                        "all",
                        "--runs",
                        "1",
                        "--json");
        Assert.assertEquals(run.status(), 0, run.err());
        Assert.assertEquals(run.json().getAsJsonObject("routes").toString(), "{\"PBS\":2}");
        Assert.assertEquals(run.json().get("density").getAsDouble(), 1.0);
        Assert.assertTrue(run.json().get("logitError").getAsDouble() < 1e-4, run.out());
        Assert.assertEquals(run.json().get("pbsToken"), run.json().get("denseToken"));
    }

    @Test
    public void verifiesTheOperator() {
        for (String backend : new String[] {"reference", "cpu"}) {
            Run run =
                    run("verify", "operator", OPERATOR.toString(), "--backend", backend, "--json");
            Assert.assertEquals(run.status(), 0, run.out() + run.err());
            Assert.assertEquals(run.json().get("passed").getAsInt(), 10);
        }
        Run half = run("verify", "operator", OPERATOR.toString(), "--dtype", "bfloat16", "--json");
        Assert.assertEquals(half.status(), 0, half.out());
        Assert.assertEquals(half.json().get("dtype").getAsString(), "bfloat16");
    }

    /**
     * A check that cannot fail checks nothing: with another threshold the mask and the output must
     * differ.
     */
    @Test
    public void wrongReferenceDataFails() throws IOException {
        Path folder = Files.createTempDirectory("operator");
        String name = "no_first_block_1000x64";
        Files.copy(OPERATOR.resolve(name + ".npz"), folder.resolve(name + ".npz"));
        Files.writeString(
                folder.resolve("cases.json"),
                """
                [{"name": "no_first_block_1000x64", "block_size": 128, "segment_size": 256,
                  "threshold": 0.9, "force_first_block": false}]
                """);
        Run run = run("verify", "operator", folder.toString(), "--json");
        Assert.assertEquals(run.status(), 1);
        JsonObject result = run.json().get("cases").getAsJsonArray().get(0).getAsJsonObject();
        Assert.assertTrue(result.get("maskMismatches").getAsInt() > 0);
        Assert.assertTrue(result.get("outError").getAsDouble() > 1e-3);
        Assert.assertFalse(result.get("passed").getAsBoolean());
    }

    @Test
    public void verifiesCheckpoints() {
        for (String attention : new String[] {"dense", "pbs"}) {
            Run run =
                    run(
                            "verify",
                            "checkpoints",
                            CHECKPOINTS.toString(),
                            "--attention",
                            attention,
                            "--json");
            Assert.assertEquals(run.status(), 0, run.out() + run.err());
            Assert.assertEquals(
                    run.json().get("passed").getAsInt(), 22, "14, and 8 older configurations");
        }
    }

    @Test
    public void verifiesCheckpointsInBfloat16() {
        Run run =
                run(
                        "verify",
                        "checkpoints",
                        CHECKPOINTS.toString(),
                        "--dtype",
                        "bfloat16",
                        "--json");
        Assert.assertEquals(run.status(), 0, run.out() + run.err());
        for (JsonElement result : run.json().get("cases").getAsJsonArray()) {
            double error = result.getAsJsonObject().get("logitError").getAsDouble();
            Assert.assertTrue(error > 1e-4, "float32 was computed: " + error);
        }
    }

    /** The prompts of a model that was made for it make its attention as sparse as they say. */
    @Test
    public void measuresPrefillOfAModelThatItMakes() throws IOException {
        Path folder = Files.createTempDirectory("model");
        Run made = run("bench", "make-model", "--shape", "tiny", folder.toString());
        Assert.assertEquals(made.status(), 0, made.err());
        double[] densities = new double[2];
        for (int i = 0; i < 2; ++i) {
            Run run =
                    run(
                            "bench",
                            "prefill",
                            "--model",
                            folder.toString(),
                            "--seqlen",
                            "257,7000",
                            "--decode-tokens",
                            "2",
                            "--strength",
                            String.valueOf(i),
                            "--json");
            Assert.assertEquals(run.status(), 0, run.err());
            JsonArray rows = run.json().get("rows").getAsJsonArray();
            Assert.assertEquals(rows.size(), 4);
            for (JsonElement element : rows) {
                JsonObject row = element.getAsJsonObject();
                double sum = 0;
                for (String part : List.of("linear", "permute", "select", "attend", "other")) {
                    sum += row.get(part + "Seconds").getAsDouble();
                }
                Assert.assertEquals(sum, row.get("prefillSeconds").getAsDouble(), 1e-6);
                Assert.assertTrue(row.get("peakRssBytes").getAsLong() > 0);
                Assert.assertTrue(row.get("decodeSecondsPerToken").getAsDouble() > 0);
                if (row.get("attention").getAsString().equals("dense")) {
                    Assert.assertEquals(row.get("density").getAsDouble(), 1.0);
                }
            }
            densities[i] = rows.get(1).getAsJsonObject().get("density").getAsDouble();
        }
        Assert.assertTrue(densities[1] < densities[0] - 0.2, densities[0] + ", " + densities[1]);
    }

    @Test
    public void measuresDecodingInBatches() throws IOException {
        Path folder = Files.createTempDirectory("model");
        Run made = run("bench", "make-model", "--shape", "tiny", folder.toString());
        Assert.assertEquals(made.status(), 0, made.err());
        List<String> arguments =
                List.of(
                        "bench",
                        "decode",
                        "--model",
                        folder.toString(),
                        "--context",
                        "40",
                        "--batch",
                        "3,2",
                        "--tokens",
                        "2",
                        "--runs",
                        "3");
        Run text = run(arguments.toArray(new String[0]));
        Assert.assertEquals(text.status(), 0, text.err());
        Assert.assertTrue(text.out().contains("tokens/s"), text.out());
        List<String> withJson = new ArrayList<>(arguments);
        withJson.add("--json");
        Run run = run(withJson.toArray(new String[0]));
        Assert.assertEquals(run.status(), 0, run.err());
        JsonObject json = run.json();
        Assert.assertEquals(json.get("context").getAsInt(), 40);
        JsonArray rows = json.get("rows").getAsJsonArray();
        Assert.assertEquals(rows.size(), 3);
        double single = rows.get(0).getAsJsonObject().get("tokensPerSecond").getAsDouble();
        for (int i = 0; i < 3; ++i) {
            JsonObject row = rows.get(i).getAsJsonObject();
            int batch = row.get("batch").getAsInt();
            Assert.assertEquals(batch, i + 1);
            double perSecond = row.get("tokensPerSecond").getAsDouble();
            Assert.assertTrue(perSecond > 0);
            Assert.assertEquals(row.get("stepSeconds").getAsDouble() * perSecond, batch, 1e-6);
            Assert.assertEquals(
                    row.get("timesSingle").getAsDouble(), perSecond / single, 1e-9 * perSecond);
        }
    }

    @Test
    public void wrongCheckpointFails() throws IOException {
        Path folder = Files.createTempDirectory("checkpoints").resolve("llama");
        Files.createDirectory(folder);
        try (Stream<Path> files = Files.list(CHECKPOINTS.resolve("llama"))) {
            for (Path file : files.toList()) {
                Files.copy(
                        file,
                        folder.resolve(file.getFileName()),
                        StandardCopyOption.REPLACE_EXISTING);
            }
        }
        Path config = folder.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("10000.0", "500.0"));
        Run run = run("verify", "checkpoints", folder.getParent().toString(), "--json");
        Assert.assertEquals(run.status(), 1);
        Assert.assertEquals(run.json().get("failed").getAsInt(), 1);
    }

    @Test
    public void answersOverADocument() throws IOException {
        Path document = Files.createTempFile("document", ".txt");
        Fact first = new Fact("ticket number", "amber falcon", "48213");
        Fact second = new Fact("door code", "quiet heron", "90417");
        Files.writeString(
                document,
                FactDocument.withFacts(
                        FactDocument.paragraphs().subList(0, 80),
                        java.util.List.of(first, second)));
        Run run =
                run(
                        "ask",
                        "--model",
                        "demo",
                        "--document",
                        document.toString(),
                        "--question",
                        first.question(),
                        "--question",
                        second.question(),
                        "--json");
        Assert.assertEquals(run.status(), 0, run.err());
        JsonObject json = run.json();
        Assert.assertEquals(json.get("attention").getAsString(), "pbs");
        JsonObject[] answers = new JsonObject[2];
        for (int i = 0; i < 2; ++i) {
            answers[i] = json.get("answers").getAsJsonArray().get(i).getAsJsonObject();
        }
        Assert.assertTrue(answers[0].get("answer").getAsString().contains("48213"), run.out());
        Assert.assertTrue(answers[1].get("answer").getAsString().contains("90417"), run.out());
        Assert.assertEquals(answers[0].get("reusedTokens").getAsInt(), 0);
        Assert.assertTrue(answers[1].get("reusedTokens").getAsInt() > 300, run.out());
        Assert.assertTrue(answers[0].get("density").getAsDouble() < 1, run.out());
    }

    @Test
    public void measuresTheOperator() throws IOException {
        Run run =
                run(
                        "bench",
                        "operator",
                        "--seqlen",
                        "600",
                        "--q-heads",
                        "2",
                        "--kv-heads",
                        "1",
                        "--head-dim",
                        "32",
                        "--dtype",
                        "float32",
                        "--density",
                        "0.7",
                        "--min-length",
                        "0",
                        "--runs",
                        "2",
                        "--json");
        Assert.assertEquals(run.status(), 0, run.err());
        JsonObject row = run.json().get("rows").getAsJsonArray().get(0).getAsJsonObject();
        Assert.assertEquals(row.get("density").getAsDouble(), 0.7, 0.1);
        Assert.assertTrue(row.get("sdpaSeconds").getAsDouble() > 0);
        Assert.assertTrue(
                run.json().get("gemmGflops").getAsJsonObject().get("bfloat16").getAsDouble() > 0);
        drawsWhatWasMeasured(run.out());
    }

    private static void drawsWhatWasMeasured(String json) throws IOException {
        Path folder = Files.createTempDirectory("plots");
        Path file = folder.resolve("result.json");
        Files.writeString(file, json);
        Run run = run("bench", "plot", file.toString(), "--out", folder.toString());
        Assert.assertEquals(run.status(), 0, run.err());
        for (String name : new String[] {"speedup.png", "phases.png"}) {
            Assert.assertEquals(ImageIO.read(folder.resolve(name).toFile()).getWidth(), 900);
        }
        Files.writeString(file, "{}");
        Run empty = run("bench", "plot", file.toString());
        Assert.assertEquals(empty.status(), 1);
        Assert.assertTrue(empty.err().contains("result.json"), empty.err());
    }
}

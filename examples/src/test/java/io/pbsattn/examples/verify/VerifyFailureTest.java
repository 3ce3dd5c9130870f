package io.pbsattn.examples.verify;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.examples.Main;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** Each part of the checks can fail: one reference array is wrong at a time. */
public class VerifyFailureTest {

    private static final Path OPERATOR =
            Path.of("../pbs-attn-djl/src/test/resources/golden/operator");
    private static final Path CHECKPOINTS =
            Path.of("../model-zoo/src/test/resources/golden/checkpoints");
    private static final String NAME = "no_first_block_1000x64";

    /** The array, what is done to it, and the field of the result that shows it, with its limit. */
    @DataProvider
    public Object[][] wrongArrays() {
        UnaryOperator<NDArray> shifted = a -> a.add(0.01f);
        UnaryOperator<NDArray> negated = NDArray::neg;
        UnaryOperator<NDArray> inverted =
                a -> a.toType(DataType.BOOLEAN, true).logicalNot().toType(a.getDataType(), true);
        return new Object[][] {
            {"out", shifted, "outError", 1e-5},
            {"lse", shifted, "lseError", 1e-5},
            {"key_scores", negated, "orderViolations", 0.0},
            {"block_mask", inverted, "maskMismatches", 0.0},
        };
    }

    @Test(dataProvider = "wrongArrays")
    public void wrongArrayFails(
            String array, UnaryOperator<NDArray> change, String field, double limit)
            throws IOException {
        Path folder = caseWith("0.55");
        change(folder, array, change);
        JsonObject result = verify(folder, 1);
        Assert.assertFalse(result.get("passed").getAsBoolean());
        Assert.assertTrue(result.get(field).getAsDouble() > limit, result.toString());
    }

    @Test
    public void wrongDensityFailsAndTheRightOnePasses() throws IOException {
        Assert.assertTrue(verify(caseWith("0.55"), 0).get("passed").getAsBoolean());
        JsonObject wrong = verify(caseWith("0.60"), 1);
        Assert.assertFalse(wrong.get("passed").getAsBoolean());
        Assert.assertEquals(wrong.get("maskMismatches").getAsInt(), 0);
    }

    @Test
    public void arrayOfAnotherShapeIsAnError() throws IOException {
        Path folder = caseWith("0.55");
        change(folder, "lse", a -> a.get(":, :, :999"));
        Run run = run("verify", "operator", folder.toString(), "--json");
        Assert.assertEquals(run.status(), 1);
        Assert.assertEquals(run.out(), "");
        Assert.assertTrue(run.err().contains("array 'lse': expected shape"), run.err());
        Assert.assertEquals(run.err().strip().lines().count(), 1, run.err());
    }

    @Test
    public void passWithRoundedFrequenciesTellsTheDefaultsError() {
        Run run =
                run(
                        "verify",
                        "checkpoints",
                        CHECKPOINTS.resolve("llama31_rope").toString(),
                        "--json");
        JsonObject result = first(run);
        Assert.assertEquals(result.get("ropeFrequencies").getAsString(), "rounded");
        Assert.assertTrue(result.get("logitError").getAsDouble() <= 2e-4);
        Assert.assertTrue(result.get("defaultLogitError").getAsDouble() > 2e-4, run.out());
    }

    @Test
    public void unknownFamilyIsAFailedCaseWithAReason() throws IOException {
        Path folder = Files.createTempDirectory("checkpoint");
        Path source = CHECKPOINTS.resolve("llama");
        Files.copy(source.resolve("expected.npz"), folder.resolve("expected.npz"));
        Files.copy(source.resolve("model.safetensors"), folder.resolve("model.safetensors"));
        Files.writeString(
                folder.resolve("config.json"),
                Files.readString(source.resolve("config.json"))
                        .replace("\"model_type\": \"llama\"", "\"model_type\": \"abacus\""));
        Run run = run("verify", "checkpoints", folder.toString(), "--json");
        Assert.assertEquals(run.status(), 1);
        Assert.assertTrue(first(run).get("reason").getAsString().contains("abacus"), run.out());
        Assert.assertTrue(first(run).get("logitError").isJsonNull(), run.out());
        Assert.assertFalse(run.out().contains("NaN"), run.out());
    }

    @Test
    public void wrongValuesAreWrongUsage() throws IOException {
        Path document = Files.createTempFile("document", ".txt");
        Files.writeString(document, "words");
        String[] ask = {
            "ask", "--model", "demo", "--document", document.toString(), "--question", "x"
        };
        Assert.assertEquals(run(with(ask, "--attention", "sideways")).status(), 2);
        Assert.assertEquals(run(with(ask, "--max-new-tokens", "0")).status(), 2);
        Assert.assertEquals(
                run("verify", "operator", OPERATOR.toString(), "--dtype", "int3").status(), 2);
        Assert.assertEquals(run("help").status(), 0);
        Files.write(document, new byte[] {'a', 0, 'b'});
        Run binary = run(ask);
        Assert.assertEquals(binary.status(), 1);
        Assert.assertTrue(binary.err().contains("found a binary file"), binary.err());
    }

    private static String[] with(String[] args, String key, String value) {
        String[] all = java.util.Arrays.copyOf(args, args.length + 2);
        all[args.length] = key;
        all[args.length + 1] = value;
        return all;
    }

    private static String goldenThreshold() throws IOException {
        return JsonParser.parseString(Files.readString(OPERATOR.resolve("cases.json")))
                .getAsJsonArray()
                .asList()
                .stream()
                .map(element -> element.getAsJsonObject())
                .filter(json -> json.get("name").getAsString().equals(NAME))
                .findFirst()
                .orElseThrow()
                .get("threshold")
                .getAsString();
    }

    private static Path caseWith(String density) throws IOException {
        Path folder = Files.createTempDirectory("operator");
        Files.copy(OPERATOR.resolve(NAME + ".npz"), folder.resolve(NAME + ".npz"));
        Files.writeString(
                folder.resolve("cases.json"),
                String.format(
                        """
                        [{"name": "%s", "block_size": 128, "segment_size": 256,
                          "threshold": %s, "force_first_block": false, "density": %s}]
                        """,
                        NAME, goldenThreshold(), density));
        return folder;
    }

    private static void change(Path folder, String name, UnaryOperator<NDArray> change)
            throws IOException {
        Path file = folder.resolve(NAME + ".npz");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDList arrays;
            try (InputStream in = Files.newInputStream(file)) {
                arrays = NDList.decode(manager, in);
            }
            NDList changed = new NDList();
            for (NDArray array : arrays) {
                NDArray stored = name.equals(array.getName()) ? change.apply(array) : array;
                stored.setName(array.getName());
                changed.add(stored);
            }
            try (OutputStream out = Files.newOutputStream(file)) {
                changed.encode(out, NDList.Encoding.NPZ);
            }
        }
    }

    private static JsonObject verify(Path folder, int status) {
        Run run = run("verify", "operator", folder.toString(), "--json");
        Assert.assertEquals(run.status(), status, run.out() + run.err());
        return first(run);
    }

    private static JsonObject first(Run run) {
        return JsonParser.parseString(run.out())
                .getAsJsonObject()
                .get("cases")
                .getAsJsonArray()
                .get(0)
                .getAsJsonObject();
    }

    /** What a run of the command line left. */
    private record Run(int status, String out, String err) {}

    private static Run run(String... args) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
            int status = Main.run(args);
            return new Run(
                    status,
                    outBytes.toString(StandardCharsets.UTF_8),
                    errBytes.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }
}

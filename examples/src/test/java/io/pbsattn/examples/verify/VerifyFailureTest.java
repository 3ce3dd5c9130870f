package io.pbsattn.examples.verify;

import static io.pbsattn.examples.Run.run;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.examples.Run;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.zip.ZipFile;
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
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
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
        return run.json().getAsJsonArray("cases").get(0).getAsJsonObject();
    }

    /** Logits that were put beside the expected values, or above them, count in their place. */
    @Test
    public void rightLogitsCountInPlaceOfTheExpectedOnes() throws IOException {
        Path above = Files.createTempDirectory("checkpoints");
        Path folder = Files.createDirectory(above.resolve("llama"));
        Path golden = CHECKPOINTS.resolve("llama");
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(golden.resolve(name), folder.resolve(name));
        }
        // Of another model, but for the ids: only the logits beside them can be right.
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            NDList arrays;
            try (InputStream in = Files.newInputStream(golden.resolve("expected.npz"))) {
                arrays = NDList.decode(manager, in);
            }
            NDList others = new NDList();
            for (NDArray array : arrays) {
                boolean areIds = array.getName().endsWith("_ids");
                NDArray other = areIds ? array : array.neg();
                other.setName(array.getName());
                others.add(other);
            }
            try (OutputStream out = Files.newOutputStream(folder.resolve("expected.npz"))) {
                others.encode(out, NDList.Encoding.NPZ);
            }
        }
        Assert.assertEquals(run("verify", "checkpoints", above.toString()).status(), 1);
        Path right = above.resolve("right_logits_last.npy");
        try (ZipFile arrays = new ZipFile(golden.resolve("expected.npz").toFile());
                InputStream in = arrays.getInputStream(arrays.getEntry("logits_last.npy"))) {
            Files.copy(in, right);
        }
        Run passes = run("verify", "checkpoints", above.toString(), "--json");
        Assert.assertEquals(passes.status(), 0, passes.out());
        Assert.assertTrue(first(passes).get("logitError").getAsDouble() > 0);
        Files.move(right, folder.resolve("right_logits_last.npy"));
        Assert.assertEquals(run("verify", "checkpoints", above.toString()).status(), 0);
        Path config = folder.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("10000.0", "500.0"));
        Assert.assertEquals(run("verify", "checkpoints", above.toString()).status(), 1);
    }
}

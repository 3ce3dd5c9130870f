package io.pbsattn.examples;

import static io.pbsattn.examples.Run.run;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.testng.Assert;
import org.testng.annotations.Test;

/** TorchScript models with their own attention and with ours. */
public class TorchScriptTest {

    private static final Path MODEL =
            Path.of("../pbs-attn-djl/src/test/resources/golden/torchscript/llama_sdpa.pt");

    private static Run torchscript(Path model, String... more) {
        List<String> arguments = new ArrayList<>();
        arguments.addAll(List.of("torchscript", "--model", model.toString(), "--tokens", "700"));
        arguments.addAll(List.of(more));
        return run(arguments.toArray(new String[0]));
    }

    private static JsonObject json(String... more) {
        List<String> options = new ArrayList<>(List.of(more));
        options.add("--json");
        Run run = torchscript(MODEL, options.toArray(new String[0]));
        Assert.assertEquals(run.status(), 0, run.err());
        return run.json();
    }

    private static boolean isNone(JsonObject json, String key) {
        return !json.has(key) || json.get(key).isJsonNull();
    }

    @Test
    public void aRatioHasItsSpread() {
        JsonObject json = json("--min-length", "0", "--threshold", "all", "--runs", "2");
        double low = json.get("speedupLow").getAsDouble();
        double middle = json.get("speedup").getAsDouble();
        double high = json.get("speedupHigh").getAsDouble();
        Assert.assertTrue(0 < low && low <= middle && middle <= high, json.toString());
        Assert.assertEquals(json.get("backend").getAsString(), "cpu");
        String summary = json.get("summary").getAsString();
        Assert.assertTrue(summary.contains("ran in 2 of 2 attention calls"), summary);
        Assert.assertTrue(isNone(json("--min-length", "0", "--runs", "1"), "speedup"));
    }

    /** Where nothing ran but PyTorch's attention, a ratio would be noise. */
    @Test
    public void withoutPbsThereIsNoRatio() {
        JsonObject json = json("--min-length", "9000", "--runs", "2");
        Assert.assertTrue(isNone(json, "speedup"), json.toString());
        Assert.assertTrue(isNone(json, "density"), json.toString());
        Assert.assertEquals(json.getAsJsonObject("routes").toString(), "{\"SHORT\":2}");
        Assert.assertEquals(json.get("logitError").getAsDouble(), 0.0);
        String text = torchscript(MODEL, "--min-length", "9000", "--runs", "2").out();
        Assert.assertTrue(text.contains("did not run. 2 of 2: fewer keys than"), text);
        Assert.assertFalse(text.contains("times as fast"), text);
    }

    @Test
    public void layersStayDenseByTheOrderOfTheirCalls() {
        JsonObject json = json("--min-length", "0", "--layers", "1", "--runs", "1");
        Assert.assertEquals(
                json.getAsJsonObject("routes").toString(), "{\"PBS\":1,\"DENSE_CALL\":1}");
        Run run = torchscript(MODEL, "--layers", "2", "--runs", "1");
        Assert.assertEquals(run.status(), 2);
        Assert.assertTrue(run.err().contains("--layers: expected layers from 0 to 1"), run.err());
    }

    @Test
    public void oneKindOfAttentionAloneIsMeasured() {
        JsonObject json = json("--attention", "dense", "--runs", "1");
        Assert.assertFalse(isNone(json, "denseSeconds"), json.toString());
        Assert.assertTrue(isNone(json, "pbsSeconds"), json.toString());
    }

    /** Whatever is wrong with the file, it is named in one line. */
    @Test
    public void filesThatCannotBeReadAreNamed() throws IOException {
        Path folder = Files.createTempDirectory("torchscript");
        byte[] whole = Files.readAllBytes(MODEL);
        Path cut = folder.resolve("cut.pt");
        Files.write(cut, Arrays.copyOf(whole, whole.length / 2));
        Path empty = folder.resolve("empty.pt");
        Files.write(empty, new byte[0]);
        Path text = folder.resolve("text.pt");
        Files.writeString(text, "not a model\n");
        Path other = folder.resolve("model.bin");
        Files.write(other, whole);
        Path absent = folder.resolve("absent.pt");
        for (Path file : List.of(cut, empty, text, other, absent, folder)) {
            Run run = torchscript(file);
            Assert.assertEquals(run.status(), 1, run.err());
            Assert.assertTrue(run.err().startsWith("pbs: " + file + ": "), run.err());
            Assert.assertEquals(run.err().lines().count(), 1, run.err());
        }
    }
}

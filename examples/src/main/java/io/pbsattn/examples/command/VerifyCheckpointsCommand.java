package io.pbsattn.examples.command;

import io.pbsattn.PbsConfig;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.ModelDtype;
import io.pbsattn.examples.verify.CheckpointCheck;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.ModelOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs every checkpoint of a folder. */
@Command(
        name = "checkpoints",
        description = {
            "Compare models with the logits and greedy tokens that transformers gave.",
            "Where right_logits_last.npy lies beside expected.npz, or in the folder above, it holds"
                    + " the logits of the last position, and nothing else of expected.npz but the"
                    + " ids counts."
        },
        mixinStandardHelpOptions = true)
final class VerifyCheckpointsCommand implements Callable<Integer> {

    private static final String EXPECTED = "expected.npz";

    /** How deep below the folder checkpoints are looked for. */
    private static final int MAX_DEPTH = 3;

    private static final String OLDER_CONFIG = "config.transformers4.json";

    @Parameters(
            paramLabel = "DIR",
            description = "A folder whose sub-folders hold a checkpoint and expected.npz.")
    private Path folder;

    @Option(names = "--attention", defaultValue = "dense", description = "dense (default) or pbs.")
    private AttentionKind attention;

    @Option(
            names = "--dtype",
            converter = ModelDtype.class,
            defaultValue = "float32",
            description = "float32 (default) or bfloat16.")
    private TorchType dtype;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        List<CheckpointCheck.Result> results = new ArrayList<>();
        for (Path checkpoint : checkpoints()) {
            results.add(check(name(checkpoint), checkpoint, attention, dtype));
            if (Files.exists(checkpoint.resolve(OLDER_CONFIG))) {
                results.add(checkOlderConfig(name(checkpoint), checkpoint, attention, dtype));
            }
        }
        if (results.isEmpty()) {
            throw new IOException(folder + ": no sub-folder holds " + EXPECTED);
        }
        StringBuilder text = new StringBuilder();
        for (CheckpointCheck.Result r : results) {
            text.append(
                    String.format(
                            "%-6s %-44s %s%n",
                            r.passed() ? "ok" : "FAILED", r.name(), r.describe()));
        }
        long passed = results.stream().filter(CheckpointCheck.Result::passed).count();
        long failed = results.size() - passed;
        text.append(String.format("%s attention: %d passed, %d failed", attention, passed, failed));
        json.print(new Summary(passed, failed, results), text.toString());
        return failed == 0 ? 0 : 1;
    }

    private List<Path> checkpoints() throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new IOException(folder + ": no such folder");
        }
        try (Stream<Path> paths = Files.walk(folder, MAX_DEPTH)) {
            return paths.filter(path -> Files.exists(path.resolve(EXPECTED))).sorted().toList();
        }
    }

    private String name(Path checkpoint) {
        return checkpoint.equals(folder)
                ? folder.toAbsolutePath().normalize().getFileName().toString()
                : folder.relativize(checkpoint).toString();
    }

    /**
     * Sparse attention keeps every block here, since the expected values are those of full
     * attention.
     */
    private static CheckpointCheck.Result check(
            String name, Path checkpoint, AttentionKind kind, TorchType type) throws IOException {
        ModelOptions options =
                new ModelOptions().optAttention(kind).optPbsConfig(PbsConfig.DENSE).optDtype(type);
        return new CheckpointCheck(name, checkpoint, options).run();
    }

    /** The same checkpoint with the configuration that earlier versions of transformers wrote. */
    private static CheckpointCheck.Result checkOlderConfig(
            String name, Path checkpoint, AttentionKind kind, TorchType type) throws IOException {
        Path copy = Files.createTempDirectory("checkpoint");
        List<Path> copied = new ArrayList<>();
        try (Stream<Path> files = Files.list(checkpoint)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                copied.add(Files.copy(file, copy.resolve(file.getFileName())));
            }
            Files.copy(
                    checkpoint.resolve(OLDER_CONFIG),
                    copy.resolve("config.json"),
                    StandardCopyOption.REPLACE_EXISTING);
            return check(name + "/" + OLDER_CONFIG, copy, kind, type);
        } finally {
            for (Path file : copied) {
                Files.deleteIfExists(file);
            }
            Files.deleteIfExists(copy);
        }
    }

    /** The JSON of the command. */
    private record Summary(long passed, long failed, List<CheckpointCheck.Result> cases) {}
}

package io.pbsattn.examples.command;

import ai.djl.ndarray.NDManager;
import io.pbsattn.Backends;
import io.pbsattn.examples.option.BackendName;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.verify.NpzFile;
import io.pbsattn.examples.verify.OperatorCase;
import io.pbsattn.examples.verify.OperatorCheck;
import io.pbsattn.torch.TorchType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs every case of a folder of reference data. */
@Command(
        name = "operator",
        description = "Run every case of cases.json and its .npz files.",
        mixinStandardHelpOptions = true)
final class VerifyOperatorCommand implements Callable<Integer> {

    @Parameters(paramLabel = "DIR", description = "A folder with cases.json and NAME.npz files.")
    private Path folder;

    @Option(
            names = "--backend",
            converter = BackendName.class,
            description = "reference, cpu or cuda; default: the best usable.")
    private String backend;

    @Option(
            names = "--dtype",
            defaultValue = "float32",
            description = "float32 (default), bfloat16, float16.")
    private TorchType dtype;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        Backends.BackendStatus status =
                Backends.list().stream()
                        .filter(b -> backend == null ? b.usable() : b.name().equals(backend))
                        .findFirst()
                        .orElseThrow();
        List<OperatorCheck.Result> results = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        for (OperatorCase operatorCase : OperatorCase.readAll(folder)) {
            try (NDManager manager =
                    NDManager.newBaseManager(BackendDevice.of(status.name()), "PyTorch")) {
                NpzFile arrays =
                        NpzFile.read(manager, folder.resolve(operatorCase.name() + ".npz"));
                OperatorCheck.Result r =
                        new OperatorCheck(operatorCase, arrays, dtype).run(manager, status.name());
                results.add(r);
                text.append(
                        String.format(
                                "%-6s %-28s out %.1e, lse %.1e, order violations %d, mask"
                                        + " mismatches %d, density %.4f%n",
                                r.passed() ? "ok" : "FAILED",
                                r.name(),
                                r.outError(),
                                r.lseError(),
                                r.orderViolations(),
                                r.maskMismatches(),
                                r.density()));
            }
        }
        long passed = results.stream().filter(OperatorCheck.Result::passed).count();
        long failed = results.size() - passed;
        text.append(
                String.format(
                        "backend %s %s, %s: %d passed, %d failed",
                        status.name(), status.isa(), dtype, passed, failed));
        json.print(
                new Summary(status.name(), status.isa(), dtype.toString(), passed, failed, results),
                text.toString());
        return failed == 0 && passed > 0 ? 0 : 1;
    }

    /** The JSON of the command. */
    private record Summary(
            String backend,
            String isa,
            String dtype,
            long passed,
            long failed,
            List<OperatorCheck.Result> cases) {}
}

package io.pbsattn.examples.command;

import io.pbsattn.Backends;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.torch.LibTorch;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says what this machine can run. */
@Command(
        name = "doctor",
        description = "Show versions, backends and why each is usable or not.",
        mixinStandardHelpOptions = true)
public final class DoctorCommand implements Callable<Integer> {

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() {
        List<Backends.BackendStatus> backends = Backends.list();
        Backends.BackendStatus best =
                backends.stream().filter(Backends.BackendStatus::usable).findFirst().orElseThrow();
        Result result =
                new Result(
                        Versions.PROJECT,
                        Versions.djl(),
                        LibTorch.get().version(),
                        System.getProperty("java.version"),
                        backends.stream()
                                .map(b -> new Backend(b.name(), b.usable(), b.reason()))
                                .toList(),
                        best.isa(),
                        Runtime.getRuntime().availableProcessors(),
                        gpu());
        json.print(result, result.text());
        return 0;
    }

    private static String gpu() {
        List<String> gpus = Backends.devices();
        return gpus.isEmpty() ? "none" : String.join("; ", gpus);
    }

    /** The JSON of one backend. */
    private record Backend(String name, boolean usable, String reason) {}

    /** The JSON of the command. */
    private record Result(
            String version,
            String djl,
            String libtorch,
            String java,
            List<Backend> backends,
            String isa,
            int threads,
            String gpu) {

        String text() {
            StringBuilder text = new StringBuilder();
            text.append(
                    String.format(
                            "pbs-attn-djl %s, DJL %s, libtorch %s, Java %s%n",
                            version, djl, libtorch, java));
            for (Backend backend : backends) {
                text.append(
                        String.format(
                                "backend %-10s %-8s %s%n",
                                backend.name(),
                                backend.usable() ? "usable" : "not here",
                                backend.reason()));
            }
            return text.append(
                            String.format(
                                    "instruction set %s, %d threads, GPU: %s",
                                    isa.isEmpty() ? "-" : isa, threads, gpu))
                    .toString();
        }
    }
}

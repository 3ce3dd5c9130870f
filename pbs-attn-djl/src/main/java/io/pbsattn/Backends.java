package io.pbsattn;

import ai.djl.Device;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionBackendProvider;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.backend.reference.ReferenceBackendProvider;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The backends of this process, each tried once, best first. */
public final class Backends {

    /** System property that forces a backend by its name. */
    public static final String FORCE_PROPERTY = "pbs.attn.backend";

    private static final Logger logger = LoggerFactory.getLogger(Backends.class);

    private Backends() {}

    /**
     * What is known of one backend.
     *
     * @param name its name
     * @param usable whether it runs on this machine
     * @param reason why it does not, or what it runs on
     * @param isa its instruction set or device, "" if there is none
     */
    public record BackendStatus(String name, boolean usable, String reason, String isa) {}

    /**
     * Lists all backends, best first.
     *
     * @return their states
     */
    public static List<BackendStatus> list() {
        return Probes.ALL.stream().map(Probe::status).toList();
    }

    /**
     * Lists the devices of this machine that a backend is meant for, whether it runs on them or
     * not.
     *
     * @return a line for each that is not the CPU, such as {@code GPU 0: NVIDIA H100, sm_90, 79.1
     *     GiB}
     */
    public static List<String> devices() {
        return Probes.ALL.stream().flatMap(p -> p.provider.devices().stream()).toList();
    }

    /**
     * Returns the usable backends, best first.
     *
     * @return at least the reference backend
     */
    static List<AttentionBackend> usable() {
        return Probes.ALL.stream().filter(p -> p.backend != null).map(p -> p.backend).toList();
    }

    /**
     * Returns a backend by its name.
     *
     * @param name the name
     * @return the backend
     * @throws IllegalStateException if there is none of that name, or it cannot run here
     */
    static AttentionBackend named(String name) {
        for (Probe probe : Probes.ALL) {
            if (probe.name().equals(name)) {
                if (probe.backend == null) {
                    throw new IllegalStateException(
                            "attention backend '" + name + "' cannot run: " + probe.reason);
                }
                return probe.backend;
            }
        }
        String names = Probes.ALL.stream().map(Probe::name).collect(Collectors.joining(", "));
        throw new IllegalStateException("no attention backend '" + name + "'; there are: " + names);
    }

    /**
     * Tells why none of the kernels runs a call.
     *
     * @param request the call
     * @return the reason of each backend for the device of its arrays, the reference aside
     */
    static String whyNoKernel(AttentionRequest request) {
        Device device = request.q().getDevice();
        return Probes.ALL.stream()
                .filter(p -> p.provider.isFor(device))
                .filter(p -> !p.name().equals(ReferenceBackendProvider.NAME))
                .map(p -> p.name() + ": " + p.refusal(request))
                .collect(Collectors.joining("; "));
    }

    /** A backend that was tried; it is null where it cannot run. */
    private record Probe(
            AttentionBackendProvider provider, AttentionBackend backend, String reason) {

        String name() {
            return provider.name();
        }

        String refusal(AttentionRequest request) {
            return backend == null ? reason : backend.refusal(request).orElse(reason);
        }

        BackendStatus status() {
            return new BackendStatus(
                    name(), backend != null, reason, backend == null ? "" : backend.isa());
        }
    }

    /** Tried when first asked for, not when the class is loaded. */
    private static final class Probes {

        static final List<Probe> ALL = probe();

        private static List<Probe> probe() {
            List<AttentionBackendProvider> providers = new ArrayList<>();
            ServiceLoader.load(AttentionBackendProvider.class, Backends.class.getClassLoader())
                    .forEach(providers::add);
            providers.sort(Comparator.comparingInt(AttentionBackendProvider::rank).reversed());
            List<Probe> probes = new ArrayList<>();
            for (AttentionBackendProvider provider : providers) {
                try {
                    AttentionBackend backend = provider.create();
                    String isa = backend.isa().isEmpty() ? "" : " (" + backend.isa() + ")";
                    probes.add(new Probe(provider, backend, "ready" + isa));
                    logger.info("Attention backend {} is ready{}", provider.name(), isa);
                } catch (BackendUnavailableException e) {
                    sayLeftOut(provider, e.getMessage());
                    probes.add(new Probe(provider, null, e.getMessage()));
                }
            }
            return List.copyOf(probes);
        }

        /** A machine without a backend's devices misses nothing; one that has them does. */
        private static void sayLeftOut(AttentionBackendProvider provider, String reason) {
            List<String> devices = provider.devices();
            if (devices.isEmpty()) {
                logger.info("Attention backend {} left out: {}", provider.name(), reason);
            } else {
                logger.warn(
                        "Attention backend {} left out, though there is {}: {}",
                        provider.name(),
                        String.join(", ", devices),
                        reason);
            }
        }
    }
}

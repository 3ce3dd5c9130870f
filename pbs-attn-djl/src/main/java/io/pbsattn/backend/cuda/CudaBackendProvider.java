package io.pbsattn.backend.cuda;

import ai.djl.Device;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionBackendProvider;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.torch.LibTorch;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Provides the CUDA backend where there are a driver, a GPU that is new enough, kernels, and a
 * libtorch that can put arrays on the GPU.
 */
public final class CudaBackendProvider implements AttentionBackendProvider {

    /** System property: MiB that a call's workspace keeps to where it can. */
    static final String WORKSPACE_PROPERTY = "pbs.attn.cuda.workspace";

    private final Source<CudaDriver> driver;
    private final Source<KernelManifest> manifest;
    private final Source<Optional<String>> torchRefusal;

    /** Where a part of the backend comes from. */
    @FunctionalInterface
    interface Source<T> {
        T get() throws BackendUnavailableException;
    }

    /** Constructs the provider for this machine. */
    public CudaBackendProvider() {
        this(DriverLibrary::open, KernelManifest::load, () -> LibTorch.get().cudaRefusal());
    }

    CudaBackendProvider(
            Source<CudaDriver> driver,
            Source<KernelManifest> manifest,
            Source<Optional<String>> torchRefusal) {
        this.driver = driver;
        this.manifest = manifest;
        this.torchRefusal = torchRefusal;
    }

    /** {@inheritDoc} */
    @Override
    public String name() {
        return CudaBackend.NAME;
    }

    /** {@inheritDoc} */
    @Override
    public int rank() {
        return 20;
    }

    /** {@inheritDoc} */
    @Override
    public boolean isFor(Device device) {
        return device.isGpu();
    }

    /** {@inheritDoc} */
    @Override
    public AttentionBackend create() throws BackendUnavailableException {
        CudaDriver found = driver.get();
        List<Gpu> gpus = Gpu.list(found);
        if (gpus.stream().allMatch(gpu -> gpu.refusal().isPresent())) {
            throw new BackendUnavailableException(
                    gpus.stream()
                            .map(gpu -> gpu.refusal().orElseThrow())
                            .collect(Collectors.joining("; ")));
        }
        KernelManifest kernels = manifest.get();
        Optional<String> refusal = torchRefusal.get();
        if (refusal.isPresent()) {
            throw new BackendUnavailableException(refusal.get() + " (here: " + gpus.get(0) + ")");
        }
        return new CudaBackend(found, gpus, kernels, KernelImages.packed(), budget());
    }

    /** The GPUs; none where there is no driver. */
    @Override
    public List<String> devices() {
        try {
            return Gpu.list(driver.get()).stream().map(Gpu::toString).toList();
        } catch (BackendUnavailableException e) {
            return List.of(); // The backend's own state says why.
        }
    }

    private static long budget() throws BackendUnavailableException {
        String value = System.getProperty(WORKSPACE_PROPERTY);
        if (value == null) {
            return CudaAttention.DEFAULT_BUDGET;
        }
        try {
            int mebibytes = Integer.parseInt(value);
            if (mebibytes >= 1) {
                return (long) mebibytes << 20;
            }
        } catch (NumberFormatException e) {
            // Said below.
        }
        throw new BackendUnavailableException(
                WORKSPACE_PROPERTY + ": expected a number of MiB from 1 on, found '" + value + "'");
    }
}

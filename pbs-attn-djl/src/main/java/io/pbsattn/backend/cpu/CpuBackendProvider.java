package io.pbsattn.backend.cpu;

import ai.djl.Device;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionBackendProvider;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.kernels.NativeKernels;
import java.util.Optional;

/** Provides the CPU backend where its native library loads and the CPU can run it. */
public final class CpuBackendProvider implements AttentionBackendProvider {

    /** {@inheritDoc} */
    @Override
    public String name() {
        return CpuBackend.NAME;
    }

    /** {@inheritDoc} */
    @Override
    public int rank() {
        return 10;
    }

    /** {@inheritDoc} */
    @Override
    public boolean isFor(Device device) {
        return !device.isGpu();
    }

    /** {@inheritDoc} */
    @Override
    public AttentionBackend create() throws BackendUnavailableException {
        Optional<String> refusal = NativeKernels.refusal();
        if (refusal.isPresent()) {
            throw new BackendUnavailableException(refusal.get());
        }
        return new CpuBackend(NativeKernels.get());
    }
}

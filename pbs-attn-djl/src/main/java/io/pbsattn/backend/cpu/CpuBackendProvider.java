package io.pbsattn.backend.cpu;

import ai.djl.Device;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionBackendProvider;
import io.pbsattn.backend.BackendUnavailableException;

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
        NativeKernels kernels = NativeKernels.load();
        String isa = kernels.pbs_attn_isa();
        if (isa == null) {
            throw new BackendUnavailableException(
                    "PBS_ATTN_ISA="
                            + System.getenv("PBS_ATTN_ISA")
                            + " is not one of the instruction sets that this build and CPU have: "
                            + kernels.pbs_attn_available_isas());
        }
        return new CpuBackend(kernels, isa);
    }
}

package io.pbsattn.backend.reference;

import ai.djl.Device;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionBackendProvider;

/** Provides the reference backend, which runs everywhere. */
public final class ReferenceBackendProvider implements AttentionBackendProvider {

    /** The backend's name. */
    public static final String NAME = "reference";

    /** {@inheritDoc} */
    @Override
    public String name() {
        return NAME;
    }

    /** {@inheritDoc} */
    @Override
    public int rank() {
        return 0;
    }

    /** {@inheritDoc} */
    @Override
    public boolean isFor(Device device) {
        return true;
    }

    /** {@inheritDoc} */
    @Override
    public AttentionBackend create() {
        return new ReferenceBackend();
    }
}

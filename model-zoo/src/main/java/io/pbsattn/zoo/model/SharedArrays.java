package io.pbsattn.zoo.model;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.pbsattn.util.SharedResource;
import java.util.UUID;

/**
 * A manager of arrays that threads compute with while another may close it, or its owner. Its owner
 * knows it only as something to be closed: DJL's managers free the arrays of their children at
 * once, whoever reads them.
 */
final class SharedArrays implements AutoCloseable {

    private final NDManager owner;
    private final String id = UUID.randomUUID().toString();
    private final NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch");
    private final SharedResource resource;

    /**
     * Constructs a manager on the CPU.
     *
     * @param name what its arrays are, for messages: {@code the model}
     * @param owner closes it when it is closed itself
     */
    SharedArrays(String name, NDManager owner) {
        this.owner = owner;
        resource = new SharedResource(name, manager::close);
        try {
            owner.attachUncappedInternal(id, resource);
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    /** Owns the arrays; of use as long as {@link #resource} is used. */
    NDManager manager() {
        return manager;
    }

    /** To be used by whoever computes with the arrays. */
    SharedResource resource() {
        return resource;
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        owner.detachInternal(id);
        resource.close();
    }
}

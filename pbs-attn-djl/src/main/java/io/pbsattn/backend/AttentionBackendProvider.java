package io.pbsattn.backend;

import ai.djl.Device;
import java.util.List;

/**
 * Finds out whether a backend can run on this machine, and makes it; found by {@link
 * java.util.ServiceLoader}.
 */
public interface AttentionBackendProvider {

    /**
     * Returns the backend's name.
     *
     * @return a short lower-case name
     */
    String name();

    /**
     * Returns the rank in the automatic choice.
     *
     * @return the higher, the more wanted
     */
    int rank();

    /**
     * Tells whether the backend is meant for arrays on a device. Where it does not run them, a user
     * is told why.
     *
     * @param device the device of q
     * @return true if it is for such devices
     */
    boolean isFor(Device device);

    /**
     * Lists the devices of this machine that the backend is meant for, whether it runs on them or
     * not.
     *
     * @return a line for each that is not the CPU
     */
    default List<String> devices() {
        return List.of();
    }

    /**
     * Makes the backend.
     *
     * @return the backend
     * @throws BackendUnavailableException saying why this machine cannot run it
     */
    AttentionBackend create() throws BackendUnavailableException;
}

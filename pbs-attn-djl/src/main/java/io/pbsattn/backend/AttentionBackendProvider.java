package io.pbsattn.backend;

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
     * Returns the place in the automatic choice.
     *
     * @return the higher, the more wanted
     */
    int rank();

    /**
     * Makes the backend.
     *
     * @return the backend
     * @throws BackendUnavailableException saying why this machine cannot run it
     */
    AttentionBackend create() throws BackendUnavailableException;
}

package io.pbsattn.backend;

/** Says why a backend cannot run on this machine, and what would help. */
public class BackendUnavailableException extends Exception {

    private static final long serialVersionUID = 1L;

    /**
     * Constructs the exception.
     *
     * @param message the reason
     */
    public BackendUnavailableException(String message) {
        super(message);
    }

    /**
     * Constructs the exception.
     *
     * @param message the reason
     * @param cause what went wrong
     */
    public BackendUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}

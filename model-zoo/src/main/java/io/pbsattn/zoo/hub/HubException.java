package io.pbsattn.zoo.hub;

import java.io.IOException;

/** Says why a model could not be had from the hub: the model or file, and what to do about it. */
public class HubException extends IOException {

    private static final long serialVersionUID = 1L;

    /**
     * Constructs the exception.
     *
     * @param message what is wrong
     */
    public HubException(String message) {
        super(message);
    }

    /**
     * Constructs the exception.
     *
     * @param message what is wrong
     * @param cause how it was found
     */
    public HubException(String message, Throwable cause) {
        super(message, cause);
    }
}

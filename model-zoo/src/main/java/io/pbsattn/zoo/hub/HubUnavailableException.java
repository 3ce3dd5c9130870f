package io.pbsattn.zoo.hub;

/** The hub could not be reached, or had no time; what it would have said is not known. */
public class HubUnavailableException extends HubException {

    private static final long serialVersionUID = 1L;

    /**
     * Constructs the exception.
     *
     * @param message what is wrong
     * @param cause how it was found
     */
    public HubUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}

package io.pbsattn.zoo.checkpoint;

import ai.djl.MalformedModelException;

/** Says what is wrong with a model's folder: the file, the key or tensor, and what was expected. */
public class CheckpointException extends MalformedModelException {

    private static final long serialVersionUID = 1L;

    /**
     * Constructs the exception.
     *
     * @param message what is wrong
     */
    public CheckpointException(String message) {
        super(message);
    }

    /**
     * Constructs the exception.
     *
     * @param message what is wrong
     * @param cause how it was found
     */
    public CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}

package io.pbsattn.zoo.hub;

import java.io.IOException;
import java.time.Duration;

/** A server has no time now (408, 429, 5xx); it may have some later. */
final class BusyException extends IOException {

    private static final long serialVersionUID = 1L;

    private final Duration wait;

    /**
     * Constructs the exception.
     *
     * @param wait what the server asks for by Retry-After; null if it does not say
     */
    BusyException(String message, Duration wait) {
        super(message);
        this.wait = wait;
    }

    Duration retryAfter() {
        return wait;
    }
}

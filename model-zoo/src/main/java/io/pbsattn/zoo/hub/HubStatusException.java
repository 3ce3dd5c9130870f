package io.pbsattn.zoo.hub;

/** A server refuses what was asked. */
final class HubStatusException extends HubException {

    private static final long serialVersionUID = 1L;

    HubStatusException(String message) {
        super(message);
    }
}

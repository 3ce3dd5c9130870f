package io.pbsattn.examples.command;

import ai.djl.Device;

/** Where the arrays of a backend have to be. */
final class BackendDevice {

    private BackendDevice() {}

    /** The first GPU for the backend {@code cuda}, the CPU for the others. */
    static Device of(String backend) {
        return "cuda".equals(backend) ? Device.gpu() : Device.cpu();
    }
}

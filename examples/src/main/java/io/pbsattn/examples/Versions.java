package io.pbsattn.examples;

/** What the project is built of. */
final class Versions {

    static final String PROJECT = "0.1.0-SNAPSHOT";

    private Versions() {}

    static String djl() {
        return ai.djl.engine.Engine.getDjlVersion();
    }
}

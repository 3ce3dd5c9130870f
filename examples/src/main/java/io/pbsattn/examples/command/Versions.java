package io.pbsattn.examples.command;

/** What the project is built of. */
public final class Versions {

    public static final String PROJECT = "0.1.0-SNAPSHOT";

    private Versions() {}

    static String djl() {
        return ai.djl.engine.Engine.getDjlVersion();
    }
}

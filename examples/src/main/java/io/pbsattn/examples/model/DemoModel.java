package io.pbsattn.examples.model;

import ai.djl.repository.zoo.ModelZoo;
import io.pbsattn.zoo.hub.PbsModelZoo;
import java.io.IOException;
import java.nio.file.Path;

/** The model that comes with the project, a small trained Llama. */
public final class DemoModel {

    /** Its name on the command line. */
    static final String NAME = "demo";

    private DemoModel() {}

    /**
     * Returns the model's folder, in DJL's cache.
     *
     * @throws IOException if it cannot be written
     */
    public static Path unpack() throws IOException {
        PbsModelZoo zoo = (PbsModelZoo) ModelZoo.getModelZoo(PbsModelZoo.GROUP_ID);
        return zoo.folder(PbsModelZoo.RETRIEVER);
    }
}

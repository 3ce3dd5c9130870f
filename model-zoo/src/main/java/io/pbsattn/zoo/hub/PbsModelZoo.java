package io.pbsattn.zoo.hub;

import ai.djl.repository.Artifact;
import ai.djl.repository.MRL;
import ai.djl.repository.Repository;
import ai.djl.repository.zoo.ModelZoo;
import io.pbsattn.zoo.djl.DecoderLoader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;

/**
 * The models that come with the library. {@code optGroupId("io.pbsattn")} and {@code
 * optArtifactId("retriever")} load the one for demonstrations: a small trained Llama that finds
 * facts in long documents.
 */
public final class PbsModelZoo extends ModelZoo {

    /** The zoo's group. */
    public static final String GROUP_ID = "io.pbsattn";

    /** The model for demonstrations. */
    public static final String RETRIEVER = "retriever";

    /** Constructs the zoo. */
    public PbsModelZoo() {
        MRL retriever = new EmbeddedRepository(GROUP_ID, RETRIEVER, "1").getResources().get(0);
        addModel(new DecoderLoader(retriever));
    }

    /** {@inheritDoc} */
    @Override
    public String getGroupId() {
        return GROUP_ID;
    }

    /** {@inheritDoc} */
    @Override
    public Set<String> getSupportedEngines() {
        return Set.of("PyTorch");
    }

    /**
     * Unpacks a model where that has not been done.
     *
     * @param artifactId the model
     * @return its folder
     * @throws IOException if it cannot be written
     * @throws IllegalArgumentException if the zoo has no such model
     */
    public Path folder(String artifactId) throws IOException {
        if (getModelLoader(artifactId) == null) {
            throw new IllegalArgumentException(GROUP_ID + ": no model '" + artifactId + "'");
        }
        MRL mrl = getModelLoader(artifactId).getMrl();
        Repository repository = mrl.getRepository();
        Artifact artifact = mrl.getDefaultArtifact();
        repository.prepare(artifact);
        return repository.getResourceDirectory(artifact);
    }
}

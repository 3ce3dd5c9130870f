package io.pbsattn.zoo.djl;

import ai.djl.Application;
import ai.djl.repository.AbstractRepository;
import ai.djl.repository.Artifact;
import ai.djl.repository.MRL;
import ai.djl.repository.Metadata;
import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A repository of one decoder model. It says itself how DJL has to load it, so that users need not.
 * What the query of its URL says counts as arguments: {@code ?attention=dense}.
 */
public abstract class DecoderRepository extends AbstractRepository {

    private final MRL mrl;
    private final Metadata metadata;

    /**
     * Constructs a repository.
     *
     * @param name of the repository
     * @param uri of the repository
     * @param groupId of the model
     * @param artifactId of the model
     * @param files of the model, by name; empty if DJL itself need not unpack them
     * @throws IllegalArgumentException if the query of the URL is wrong; names the argument
     */
    protected DecoderRepository(
            String name,
            URI uri,
            String groupId,
            String artifactId,
            Map<String, Artifact.Item> files) {
        super(name, uri);
        DecoderArguments.read(arguments);
        mrl = MRL.model(this, Application.NLP.TEXT_GENERATION, groupId, artifactId, null, null);
        Artifact artifact = new Artifact();
        artifact.setName(artifactId);
        artifact.getArguments().putAll(Decoders.ARGUMENTS);
        artifact.getArguments().putAll(arguments);
        artifact.setOptions(new LinkedHashMap<>(Decoders.OPTIONS));
        artifact.setFiles(new LinkedHashMap<>(files));
        metadata = new Metadata.MatchAllMetadata();
        metadata.setGroupId(groupId);
        metadata.setArtifactId(artifactId);
        metadata.setRepositoryUri(mrl.toURI());
        metadata.setArtifacts(List.of(artifact));
    }

    /** {@inheritDoc} */
    @Override
    public boolean isRemote() {
        return true;
    }

    /** {@inheritDoc} */
    @Override
    public Metadata locate(MRL model) {
        return metadata;
    }

    /** {@inheritDoc} */
    @Override
    public Artifact resolve(MRL model, Map<String, String> filter) {
        return metadata.getArtifacts().get(0);
    }

    /** {@inheritDoc} */
    @Override
    public List<MRL> getResources() {
        return List.of(mrl);
    }
}

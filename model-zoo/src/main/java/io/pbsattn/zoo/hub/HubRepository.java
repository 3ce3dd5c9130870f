package io.pbsattn.zoo.hub;

import ai.djl.repository.Artifact;
import ai.djl.util.Progress;
import io.pbsattn.zoo.djl.DecoderRepository;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.Map;

/** A model on the Hugging Face hub, as DJL sees it. */
final class HubRepository extends DecoderRepository {

    private static final String GROUP = "io.pbsattn.hub";

    private final Hub hub;
    private final HubModelId model;
    private volatile Path folder;

    HubRepository(String name, URI uri, Hub hub, HubModelId model) {
        super(name, uri, GROUP, model.name().substring(model.name().indexOf('/') + 1), Map.of());
        this.hub = hub;
        this.model = model;
    }

    /** {@inheritDoc} */
    @Override
    public void prepare(Artifact artifact, Progress progress) throws IOException {
        folder = hub.download(model, progress);
    }

    /** {@inheritDoc} */
    @Override
    public Path getResourceDirectory(Artifact artifact) throws IOException {
        if (folder != null) {
            return folder;
        }
        // Before anything is prepared DJL takes a folder that exists for a model that is there.
        return hub.cached(model).orElse(hub.unfinished(model));
    }
}

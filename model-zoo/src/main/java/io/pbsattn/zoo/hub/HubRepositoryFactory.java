package io.pbsattn.zoo.hub;

import ai.djl.repository.Repository;
import ai.djl.repository.RepositoryFactory;
import java.net.URI;
import java.util.Set;

/**
 * Lets DJL load {@code hf://org/model[@revision]}. DJL finds it by itself; the settings are those
 * of {@link HubSettings#fromEnvironment}.
 */
public final class HubRepositoryFactory implements RepositoryFactory {

    /** Constructs a factory. */
    public HubRepositoryFactory() {}

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if the URL or a setting is not of its form
     */
    @Override
    public Repository newInstance(String name, URI uri) {
        HubModelId model = HubModelId.parse(uri.toString());
        return new HubRepository(name, uri, new Hub(HubSettings.fromEnvironment()), model);
    }

    /** {@inheritDoc} */
    @Override
    public Set<String> getSupportedScheme() {
        return Set.of(HubModelId.SCHEME);
    }
}

package io.pbsattn.zoo.hub;

import ai.djl.repository.Repository;
import ai.djl.repository.zoo.ModelZoo;
import ai.djl.repository.zoo.ZooProvider;

/**
 * Shows DJL the {@link PbsModelZoo}. It names the repository of {@code hf://} as well: DJL Serving
 * looks for zoos, but not for repositories, among the jars in its folder {@code deps}.
 */
public final class PbsZooProvider implements ZooProvider {

    /** Constructs a provider. */
    public PbsZooProvider() {}

    /** {@inheritDoc} */
    @Override
    public ModelZoo getModelZoo() {
        Repository.registerRepositoryFactory(new HubRepositoryFactory());
        return new PbsModelZoo();
    }
}

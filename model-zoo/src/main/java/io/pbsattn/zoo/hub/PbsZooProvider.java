package io.pbsattn.zoo.hub;

import ai.djl.repository.zoo.ModelZoo;
import ai.djl.repository.zoo.ZooProvider;

/** Shows DJL the {@link PbsModelZoo}. */
public final class PbsZooProvider implements ZooProvider {

    /** Constructs a provider. */
    public PbsZooProvider() {}

    /** {@inheritDoc} */
    @Override
    public ModelZoo getModelZoo() {
        return new PbsModelZoo();
    }
}

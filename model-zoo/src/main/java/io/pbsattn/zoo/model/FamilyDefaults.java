package io.pbsattn.zoo.model;

import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.util.OptionalLong;

/** What the families of models mean where their files say nothing, as far as others ask for it. */
public final class FamilyDefaults {

    private FamilyDefaults() {}

    /**
     * Returns the token that ends an answer where no file names one.
     *
     * @param config a model's config.json
     * @return its id, or empty if the family has none
     * @throws CheckpointException if the family is missing or not known
     */
    public static OptionalLong eosTokenId(JsonFile config) throws CheckpointException {
        long id = ModelFamily.of(config).defaults().eosTokenId();
        return id == ModelFamily.Defaults.NONE ? OptionalLong.empty() : OptionalLong.of(id);
    }
}

package io.pbsattn.zoo.djl;

import io.pbsattn.util.NearestName;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.model.ModelOptions;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** The arguments that a decoder model is loaded with, by whatever way they come. */
final class DecoderArguments {

    private static final Set<String> KEYS = keys();

    private DecoderArguments() {}

    private static Set<String> keys() {
        Set<String> keys = new LinkedHashSet<>(ModelOptions.KEYS);
        keys.addAll(GenerationOptions.KEYS);
        return keys;
    }

    /**
     * Reads the options of the model.
     *
     * <p>Those of its answers are read too, though a translator uses them only later: what is wrong
     * with them shall be said before weights are downloaded or read.
     *
     * @param arguments names to values, beside others that are not ours
     * @throws IllegalArgumentException naming the argument and what was expected; for an unknown
     *     one that is like ours the nearest name
     */
    static ModelOptions read(Map<String, ?> arguments) {
        arguments.keySet().forEach(key -> NearestName.refuseIfLikeOurs(key, KEYS));
        GenerationOptions.of(arguments);
        return ModelOptions.of(arguments);
    }
}

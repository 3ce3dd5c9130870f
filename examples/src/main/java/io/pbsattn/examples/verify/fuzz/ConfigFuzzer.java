package io.pbsattn.examples.verify.fuzz;

import com.google.gson.JsonElement;
import io.pbsattn.zoo.generate.GenerationConfig;
import io.pbsattn.zoo.model.CausalLm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Mutates what says how a model is made, and how it answers. */
final class ConfigFuzzer implements Fuzzer {

    private static final String CONFIG = "config.json";
    private static final String GENERATION = "generation_config.json";

    /** One time in so many, the generation's configuration is what is wrong. */
    private static final int GENERATION_SHARE = 5;

    private final List<JsonElement> configs;
    private final List<JsonElement> generations;

    ConfigFuzzer() throws IOException {
        configs = new ArrayList<>(Seeds.examples("configs.json"));
        configs.add(Seeds.demo(CONFIG));
        generations = new ArrayList<>(Seeds.examples("generation_configs.json"));
        generations.add(Seeds.demo(GENERATION));
    }

    /** {@inheritDoc} */
    @Override
    public void write(Path folder, SplittableRandom random) throws IOException {
        boolean isGeneration = random.nextInt(GENERATION_SHARE) == 0;
        List<JsonElement> seeds = isGeneration ? generations : configs;
        byte[] text = new JsonMutator(random, seeds).mutate(Seeds.pick(random, seeds));
        Files.deleteIfExists(folder.resolve(isGeneration ? CONFIG : GENERATION));
        Files.write(folder.resolve(isGeneration ? GENERATION : CONFIG), text);
    }

    /** {@inheritDoc} */
    @Override
    public void read(Path folder) throws Exception {
        if (Files.exists(folder.resolve(CONFIG))) {
            CausalLm.numLayers(folder);
        } else {
            GenerationConfig.read(folder);
        }
    }

    /** {@inheritDoc} */
    @Override
    public boolean names(String message, Path folder) {
        return message.contains(CONFIG) || message.contains(GENERATION);
    }
}

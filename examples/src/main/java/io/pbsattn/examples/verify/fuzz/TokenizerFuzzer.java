package io.pbsattn.examples.verify.fuzz;

import com.google.gson.JsonElement;
import io.pbsattn.zoo.text.IncrementalDecoder;
import io.pbsattn.zoo.text.PromptEncoder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/** Mutates the files of a tokenizer. */
final class TokenizerFuzzer implements Fuzzer {

    private static final String TOKENIZER = "tokenizer.json";
    private static final String CONFIG = "tokenizer_config.json";
    private static final String SPECIAL = "special_tokens_map.json";
    private static final String ADDED = "added_tokens.json";

    /** One time in so many, a file beside tokenizer.json is what is wrong. */
    private static final int BESIDE_SHARE = 6;

    /** The demo's tokenizer is large: it is tried one time in so many. */
    private static final int DEMO_SHARE = 64;

    private static final String TEXT = "Hello wörld, 42 times! <s> <unk> 😀 ab##c";

    private final List<JsonElement> tokenizers = Seeds.examples("tokenizers.json");
    private final JsonElement demo = Seeds.demo(TOKENIZER);
    private final List<JsonElement> configs =
            List.of(Seeds.demo(CONFIG), Seeds.examples("tokenizer_configs.json").get(0));
    private final List<JsonElement> maps = Seeds.examples("special_tokens_maps.json");

    TokenizerFuzzer() throws IOException {}

    /** {@inheritDoc} */
    @Override
    public void write(Path folder, SplittableRandom random) throws IOException {
        for (String name : List.of(TOKENIZER, CONFIG, SPECIAL, ADDED)) {
            Files.deleteIfExists(folder.resolve(name));
        }
        JsonElement seed = random.nextInt(DEMO_SHARE) == 0 ? demo : Seeds.pick(random, tokenizers);
        if (random.nextInt(BESIDE_SHARE) > 0) {
            Files.write(
                    folder.resolve(TOKENIZER), new JsonMutator(random, tokenizers).mutate(seed));
            return;
        }
        Files.write(folder.resolve(TOKENIZER), seed.toString().getBytes(StandardCharsets.UTF_8));
        boolean isConfig = random.nextBoolean();
        List<JsonElement> seeds = isConfig ? configs : maps;
        String name = isConfig ? CONFIG : random.nextBoolean() ? SPECIAL : ADDED;
        Files.write(
                folder.resolve(name),
                new JsonMutator(random, seeds).mutate(Seeds.pick(random, seeds)));
    }

    /** {@inheritDoc} */
    @Override
    public void read(Path folder) throws Exception {
        try (PromptEncoder encoder = PromptEncoder.open(folder)) {
            IncrementalDecoder decoder = new IncrementalDecoder(encoder.detokenizer());
            for (long id : encoder.encodeRaw(TEXT)) {
                decoder.accept(id);
            }
            decoder.finish();
        }
    }

    /** {@inheritDoc} */
    @Override
    public boolean names(String message, Path folder) {
        return message.contains(TOKENIZER)
                || message.contains(CONFIG)
                || message.contains(SPECIAL)
                || message.contains(ADDED);
    }
}

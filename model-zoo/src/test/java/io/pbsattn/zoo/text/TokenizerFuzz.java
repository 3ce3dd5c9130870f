package io.pbsattn.zoo.text;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * Opens spoilt tokenizers, and encodes and decodes with those that open. It runs in a process of
 * its own, which a panic of the native library would end; the tokenizer is then in the folder.
 *
 * <p>Arguments: a folder to work in, the number of tokenizers, and a seed.
 */
public final class TokenizerFuzz {

    private static final long MAX_SECONDS = 10;
    private static final int HUNG = 3;

    private static final List<String> TEXTS =
            List.of(
                    "",
                    " ",
                    "Hello, w\u00F6rld! It's 12345 o'clock.\n\n\tA  b   c    ",
                    "<s></s><|end|> <|begin|>[UNK] [CLS] <unk><0x41>x",
                    "\u9F98\u9F97 \uD83D\uDE00\uD83D\uDC68\u200D\uD83D\uDC69 e\u0301 \uFB01\uFDFA"
                            + " \u1100\u1161\u11A8 \u0000\u0001\u00AD\u200B\uFEFF\u3000\u0130",
                    "half \uD800 a pair \uDC00",
                    "a".repeat(300) + " ".repeat(300) + "b\n".repeat(100),
                    "the rain fell on the harbour ".repeat(60));

    private static volatile long begun = System.nanoTime();

    private TokenizerFuzz() {}

    /** Where the seeds lie, seen from the module's folder. */
    static final List<Path> SEEDS =
            List.of(
                    Path.of("src/test/resources/tokenizers"),
                    Path.of("src/test/resources/tokenizers/fuzz"),
                    Path.of("src/test/resources/chat/tokenizers"));

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        int runs = Integer.parseInt(args[1]);
        Random random = new Random(Long.parseLong(args[2]));
        List<JsonObject> seeds = new ArrayList<>();
        for (Path seed : SEEDS) {
            seeds.addAll(read(seed));
        }
        JsonMutator mutator = new JsonMutator(random, JsonMutator.words(seeds));
        watch();
        int accepted = 0;
        for (int n = 0; n < runs; ++n) {
            begun = System.nanoTime();
            JsonObject seed = seeds.get(random.nextInt(seeds.size()));
            byte[] bytes = mutator.mutate(seed).getBytes(StandardCharsets.UTF_8);
            Files.write(folder.resolve("tokenizer.json"), bytes);
            accepted += isAccepted(folder, random) ? 1 : 0;
        }
        System.out.println("runs " + runs + ", accepted " + accepted);
    }

    private static void watch() {
        Thread watch =
                new Thread(
                        () -> {
                            while (System.nanoTime() - begun < MAX_SECONDS * 1_000_000_000L) {
                                LockSupport.parkNanos(100_000_000L);
                            }
                            Runtime.getRuntime().halt(HUNG);
                        });
        watch.setDaemon(true);
        watch.start();
    }

    private static boolean isAccepted(Path folder, Random random) throws IOException {
        try (PromptEncoder encoder = PromptEncoder.open(folder)) {
            for (String text : TEXTS) {
                for (int n = 0; n < 2; ++n) {
                    try {
                        long[] ids =
                                n == 0
                                        ? encoder.encodeRaw(text)
                                        : encoder.encode(
                                                List.of(ChatMessage.user(text)),
                                                new ChatTemplateOptions());
                        encoder.detokenizer().decode(ids);
                    } catch (IllegalArgumentException e) {
                        checkNamed(folder, e);
                    }
                }
            }
            for (int n = 0; n < 6; ++n) {
                long[] ids = random.longs((long) n * n, 0, 700).toArray();
                IncrementalDecoder decoder = new IncrementalDecoder(encoder.detokenizer());
                for (long id : ids) {
                    decoder.accept(id);
                }
                decoder.finish();
            }
            return true;
        } catch (CheckpointException e) {
            checkNamed(folder, e);
            return false;
        }
    }

    private static void checkNamed(Path folder, Exception e) {
        if (!String.valueOf(e.getMessage()).contains(folder.toString())) {
            throw new IllegalStateException("an error that names no file", e);
        }
    }

    private static List<JsonObject> read(Path folder) throws IOException {
        List<JsonObject> seeds = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".json")).sorted().toList()) {
                seeds.add(JsonParser.parseString(Files.readString(file)).getAsJsonObject());
            }
        }
        return seeds;
    }
}

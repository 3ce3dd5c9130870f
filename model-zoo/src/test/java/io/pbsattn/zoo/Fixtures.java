package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The golden checkpoints and copies of them that a test may spoil. */
public final class Fixtures {

    public static final Path CHECKPOINTS = Path.of("src/test/resources/golden/checkpoints");

    /** The demo model, which has a tokenizer; the checkpoints have none. */
    public static final Path RETRIEVER = Path.of("src/main/resources/models/retriever");

    private Fixtures() {}

    public static NDList expected(NDManager manager, String checkpoint) throws IOException {
        try (InputStream in =
                Files.newInputStream(CHECKPOINTS.resolve(checkpoint).resolve("expected.npz"))) {
            return NDList.decode(manager, in);
        }
    }

    public static NDArray named(NDList arrays, String name) {
        return arrays.stream().filter(a -> name.equals(a.getName())).findFirst().orElseThrow();
    }

    public static Path copyOf(String checkpoint) throws IOException {
        Path copy = Files.createTempDirectory("checkpoint");
        try (Stream<Path> files = Files.list(CHECKPOINTS.resolve(checkpoint))) {
            files.forEach(
                    file -> {
                        try {
                            Files.copy(file, copy.resolve(file.getFileName()));
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    });
        }
        return copy;
    }

    /** A model of random weights with a tokenizer: what it says depends on every option. */
    public static Path randomTextModel() throws IOException {
        Path folder = copyOf("llama");
        Files.copy(
                Path.of("src/test/resources/tokenizers/byte-level.json"),
                folder.resolve("tokenizer.json"));
        return folder;
    }

    public static Path withConfig(String checkpoint, String from, String to) throws IOException {
        Path copy = copyOf(checkpoint);
        replace(copy.resolve("config.json"), from, to);
        return copy;
    }

    public static void replace(Path file, String from, String to) throws IOException {
        String text = Files.readString(file);
        if (!text.contains(from)) {
            throw new IllegalArgumentException("no '" + from + "' in " + file);
        }
        Files.writeString(file, text.replace(from, to));
    }
}

package io.pbsattn.examples;

import ai.djl.util.Utils;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/**
 * The model that comes with the project, a small trained Llama; unpacked into DJL's cache folder.
 */
final class DemoModel {

    private static final String FOLDER = "/models/retriever/";
    private static final List<String> FILES =
            List.of(
                    "config.json",
                    "generation_config.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "model.safetensors");

    private DemoModel() {}

    /**
     * Returns the model's folder.
     *
     * @throws IOException if it cannot be written
     */
    static Path unpack() throws IOException {
        Path folder = Utils.getCacheDir().resolve("pbs-attn").resolve("retriever-1");
        Files.createDirectories(folder);
        for (String name : FILES) {
            Path file = folder.resolve(name);
            if (!Files.exists(file)) {
                Path part = Files.createTempFile(folder, name, ".part");
                try (InputStream in = DemoModel.class.getResourceAsStream(FOLDER + name)) {
                    Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
                    Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
                } finally {
                    Files.deleteIfExists(part);
                }
            }
        }
        return folder;
    }
}

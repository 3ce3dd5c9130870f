package io.pbsattn.examples.verify;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * The folder of a case, whose {@code tokenizer.json} may be a link to one that several cases share:
 * also a link as git writes it where links are not to be had, a file that holds the path.
 */
final class CaseFolder implements AutoCloseable {

    private static final String TOKENIZER = "tokenizer.json";

    /** A path is shorter than this, a tokenizer longer. */
    private static final int MOST_BYTES = 256;

    private final Path path;
    private final boolean isCopy;

    private CaseFolder(Path path, boolean isCopy) {
        this.path = path;
        this.isCopy = isCopy;
    }

    /** Returns the folder itself, or a copy with the tokenizer in place of the link. */
    static CaseFolder open(Path folder) throws IOException {
        Path shared = shared(folder);
        if (shared == null) {
            return new CaseFolder(folder, false);
        }
        CaseFolder copy = new CaseFolder(Files.createTempDirectory("case"), true);
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                boolean isLink = file.endsWith(TOKENIZER);
                Files.copy(isLink ? shared : file, copy.path.resolve(file.getFileName()));
            }
        } catch (IOException e) {
            copy.close();
            throw e;
        }
        return copy;
    }

    /** The file that the tokenizer is a link to, or null if it is none. */
    private static Path shared(Path folder) throws IOException {
        Path file = folder.resolve(TOKENIZER);
        if (!Files.isRegularFile(file) || Files.size(file) > MOST_BYTES) {
            return null;
        }
        String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8).strip();
        try {
            Path target = folder.resolve(text);
            return Files.isRegularFile(target) ? target : null;
        } catch (InvalidPathException e) {
            return null;
        }
    }

    Path path() {
        return path;
    }

    /** Removes the copy, if it is one. */
    @Override
    public void close() throws IOException {
        if (!isCopy) {
            return;
        }
        try (Stream<Path> files = Files.list(path)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(path);
    }
}

package io.pbsattn.examples.model;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads text files, and names those that cannot be read. */
public final class TextFile {

    private TextFile() {}

    /**
     * Returns the text of a file.
     *
     * @throws IOException if it is no file, or not text in UTF-8; names it
     */
    public static String read(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new IOException(file + ": expected a file, found a folder");
        }
        if (!Files.exists(file)) {
            throw new IOException(file + ": no such file");
        }
        try {
            return Files.readString(file);
        } catch (CharacterCodingException e) {
            throw new IOException(file + ": expected text in UTF-8", e);
        } catch (OutOfMemoryError e) {
            throw new IOException(file + ": too large", e);
        }
    }
}

package io.pbsattn.examples.model;

import java.io.IOException;
import java.nio.file.Path;

/** Reads documents, and says what is wrong with those that are none. */
public final class TextDocument {

    /** The form that the questions take behind a document. */
    public static final String QUESTION = "\nQuestion: ";

    private TextDocument() {}

    public static String read(Path file) throws IOException {
        String text = TextFile.read(file);
        if (text.indexOf('\0') >= 0) {
            throw new IOException(file + ": expected text, found a binary file");
        }
        if (text.isBlank()) {
            throw new IOException(file + ": the document is empty");
        }
        return text;
    }
}

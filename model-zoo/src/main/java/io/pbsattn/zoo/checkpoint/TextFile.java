package io.pbsattn.zoo.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads text files of a model's folder; every error names the file. */
public final class TextFile {

    /** Larger than the tokenizer of any model, and small enough for a heap of 512 MiB. */
    private static final long MAX_BYTES = 128L << 20;

    private TextFile() {}

    /**
     * Reads a file as a whole.
     *
     * @param file of UTF-8 text, at most 128 MiB
     * @return its text
     * @throws IOException if it cannot be read
     * @throws CheckpointException if it is missing, no regular file, too large or not UTF-8
     */
    public static String read(Path file) throws IOException, CheckpointException {
        check(file);
        long size = Files.size(file);
        if (size > MAX_BYTES) {
            throw new CheckpointException(
                    file + ": expected at most " + MAX_BYTES + " bytes, found " + size);
        }
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
        CharBuffer text = CharBuffer.allocate(bytes.remaining());
        CharsetDecoder decoder =
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT);
        CoderResult result = decoder.decode(bytes, text, true);
        if (result.isError()) {
            throw new CheckpointException(
                    String.format(
                            "%s: expected text in UTF-8, found byte 0x%02x at offset %d",
                            file, bytes.get(bytes.position()), bytes.position()));
        }
        return text.flip().toString();
    }

    /**
     * Checks that a file is one.
     *
     * @param file of a model's folder
     * @throws CheckpointException if it is missing or no regular file
     */
    static void check(Path file) throws CheckpointException {
        if (!Files.exists(file)) {
            throw new CheckpointException(file + ": no such file");
        }
        if (!Files.isRegularFile(file)) {
            throw new CheckpointException(
                    file
                            + (Files.isDirectory(file)
                                    ? ": expected a file, found a folder"
                                    : ": expected a regular file"));
        }
    }
}

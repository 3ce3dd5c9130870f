package io.pbsattn.util;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes files that appear whole or not at all, after a power cut too. Several processes may share
 * a folder: each writes under a name of its own, and the last one to end gives the file its
 * content.
 */
public final class WholeFile {

    private WholeFile() {}

    /** What a file is to hold. */
    @FunctionalInterface
    public interface Content {

        /**
         * Writes all of it.
         *
         * @param out where to; is closed by the caller
         * @throws IOException if it cannot be read or written
         */
        void writeTo(OutputStream out) throws IOException;
    }

    /**
     * Makes a file, or replaces it.
     *
     * @param file its folder is made if it is missing
     * @param content what it is to hold
     * @throws IOException if the folder or the file cannot be written, or the content throws it;
     *     then what was there before stays, and nothing else does
     */
    public static void write(Path file, Content content) throws IOException {
        Files.createDirectories(file.getParent());
        // Not a temporary file of Java's: that is for its owner's eyes only, and so would this be.
        Path part =
                file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID() + ".part");
        try {
            try (FileChannel channel =
                            FileChannel.open(
                                    part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                    OutputStream out = Channels.newOutputStream(channel)) {
                content.writeTo(out);
                // A file system may write the new name before the bytes: a power cut between the
                // two would leave a file that is cut short under the right name.
                channel.force(true);
            }
            try {
                Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
            }
        } finally {
            Files.deleteIfExists(part);
        }
    }
}

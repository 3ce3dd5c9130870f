package io.pbsattn.backend.cuda;

import io.pbsattn.util.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compiled kernels on disk, each in a file that is named by the hash of what it was made from.
 *
 * <p>Files appear whole or not at all, so several processes may share the folder. A file holds the
 * hash of its content first, and one that does not fit is made again. A folder that cannot be
 * written costs the time of compiling, nothing else.
 */
final class CubinCache {

    private static final Logger logger = LoggerFactory.getLogger(CubinCache.class);
    private static final int HASH_BYTES = 32;

    private final Path folder;

    CubinCache(Path folder) {
        this.folder = folder;
    }

    /** Makes a kernel image. */
    @FunctionalInterface
    interface Compiler {
        byte[] compile() throws CompilationException;
    }

    /** Says why kernels do not compile. */
    static final class CompilationException extends Exception {

        private static final long serialVersionUID = 1L;

        CompilationException(String message) {
            super(message);
        }
    }

    /**
     * Returns the image for a key, compiling it if it is not there.
     *
     * @param compiler is called if there is no whole file of that key
     * @param key everything that the image depends on: source, target, compiler's version
     * @return the image
     * @throws CompilationException if the compiler throws it
     */
    byte[] get(Compiler compiler, String... key) throws CompilationException {
        Path file = folder.resolve(name(key));
        byte[] image = read(file);
        if (image == null) {
            image = compiler.compile();
            write(file, image);
        }
        return image;
    }

    /** The name of a key's file. */
    static String name(String... key) {
        MessageDigest digest = sha256();
        for (String part : key) {
            byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            digest.update((bytes.length + ":").getBytes(StandardCharsets.UTF_8));
            digest.update(bytes);
        }
        return HexFormat.of().formatHex(digest.digest()) + ".cubin";
    }

    private static byte[] read(Path file) {
        try {
            byte[] bytes = Files.readAllBytes(file);
            if (bytes.length > HASH_BYTES) {
                byte[] image = Arrays.copyOfRange(bytes, HASH_BYTES, bytes.length);
                byte[] hash = Arrays.copyOf(bytes, HASH_BYTES);
                if (MessageDigest.isEqual(hash, sha256().digest(image))) {
                    return image;
                }
            }
            logger.warn("{} is damaged; the kernels are compiled again", file);
        } catch (NoSuchFileException e) {
            logger.debug("{} is not there yet", file);
        } catch (IOException e) {
            logger.warn(
                    "{} cannot be read, the kernels are compiled again: {}", file, e.toString());
        }
        return null;
    }

    private static void write(Path file, byte[] image) {
        try {
            WholeFile.write(
                    file,
                    out -> {
                        out.write(sha256().digest(image));
                        out.write(image);
                    });
        } catch (IOException e) {
            logger.warn("compiled kernels cannot be kept in {}: {}", file, e.toString());
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}

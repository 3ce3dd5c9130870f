package io.pbsattn.kernels;

import com.sun.jna.Platform;
import io.pbsattn.util.Sha256;
import io.pbsattn.util.WholeFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Unpacks the native library from the class path into a cache folder. The file is checked at each
 * use and made again if it is damaged: a library that is cut short ends the JVM that loads it.
 */
final class NativeLibraryFile {

    private static final Logger logger = LoggerFactory.getLogger(NativeLibraryFile.class);

    private NativeLibraryFile() {}

    /**
     * Returns a file that holds the library of this platform.
     *
     * @param cache the folder to unpack into; made if it is missing
     * @return a file whose content has been checked
     * @throws IOException saying why there is none and what helps
     */
    static Path unpack(Path cache) throws IOException {
        String classifier = classifier();
        String folder = "/native/lib/" + classifier + "/cpu/";
        Properties properties = new Properties();
        try (InputStream in = open(folder + "pbs_attn.properties")) {
            if (in == null) {
                throw new IOException(
                        "no native library for "
                                + classifier
                                + " is on the class path; add the jar pbs-attn-native-kernels, or"
                                + " build native-kernels with CMake and a C++17 compiler");
            }
            properties.load(in);
        }
        String name = properties.getProperty("library");
        String sha256 = properties.getProperty("sha256");
        Path file = cache.resolve(sha256).resolve(name);
        if (!isWhole(file, sha256)) {
            write(packed(folder + name, sha256), file);
        }
        return file;
    }

    private static boolean isWhole(Path file, String sha256) {
        if (!Files.exists(file)) {
            return false;
        }
        if (!Files.isRegularFile(file)) { // to read a pipe would wait for ever
            logger.warn("{} is no file; it is unpacked again", file);
            return false;
        }
        try {
            if (sha256.equals(Sha256.hex(file))) {
                return true;
            }
            logger.warn("{} is damaged; it is unpacked again", file);
        } catch (IOException e) {
            logger.warn("{} cannot be read, it is unpacked again: {}", file, e.toString());
        }
        return false;
    }

    private static byte[] packed(String resource, String sha256) throws IOException {
        try (InputStream in = open(resource)) {
            byte[] content = in == null ? new byte[0] : in.readAllBytes();
            String found = Sha256.hex(content);
            if (!found.equals(sha256)) {
                throw new IOException(
                        resource
                                + " on the class path: expected SHA-256 "
                                + sha256
                                + ", found "
                                + found
                                + " of "
                                + content.length
                                + " bytes; the jar is damaged, fetch or build it again");
            }
            return content;
        }
    }

    private static void write(byte[] content, Path file) throws IOException {
        try {
            WholeFile.write(file, out -> out.write(content));
        } catch (IOException e) {
            throw new IOException(
                    "the native library cannot be unpacked to "
                            + file
                            + " ("
                            + e
                            + "); remove what is there and make its folder writable, or name"
                            + " another cache folder in DJL_CACHE_DIR",
                    e);
        }
    }

    /** The platform as DJL's own native jars name it: linux-x86_64. */
    private static String classifier() {
        String os = Platform.isWindows() ? "win" : Platform.isMac() ? "osx" : "linux";
        return os + "-" + Platform.ARCH.replace('-', '_');
    }

    private static InputStream open(String resource) {
        return NativeLibraryFile.class.getResourceAsStream(resource);
    }
}

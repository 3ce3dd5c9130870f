package io.pbsattn.backend.cpu;

import ai.djl.util.Utils;
import com.sun.jna.Platform;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.util.WholeFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** Unpacks a native library from the class path into DJL's cache folder, once for each content. */
public final class NativeLibraryFile {

    private NativeLibraryFile() {}

    /**
     * Returns the library's file.
     *
     * @param flavor such as cpu
     * @return a file in DJL's cache folder
     * @throws BackendUnavailableException if no library is packed for this platform or it cannot be
     *     written
     */
    public static Path unpack(String flavor) throws BackendUnavailableException {
        String classifier = classifier();
        String folder = "/native/lib/" + classifier + "/" + flavor + "/";
        try (InputStream in =
                NativeLibraryFile.class.getResourceAsStream(folder + "pbs_attn.properties")) {
            if (in == null) {
                throw new BackendUnavailableException(
                        "no native library for "
                                + classifier
                                + " is on the class path; build native-kernels with CMake and a"
                                + " C++17 compiler");
            }
            Properties properties = new Properties();
            properties.load(in);
            String name = properties.getProperty("library");
            Path file =
                    Utils.getEngineCacheDir("pbs-attn")
                            .resolve(properties.getProperty("sha256"))
                            .resolve(name);
            if (!Files.exists(file)) {
                copy(folder + name, file);
            }
            return file;
        } catch (IOException e) {
            throw new BackendUnavailableException("native library cannot be unpacked: " + e, e);
        }
    }

    /** The platform as DJL's own native jars name it: linux-x86_64. */
    private static String classifier() {
        String os = Platform.isWindows() ? "win" : Platform.isMac() ? "osx" : "linux";
        return os + "-" + Platform.ARCH.replace('-', '_');
    }

    private static void copy(String resource, Path file) throws IOException {
        try (InputStream in = NativeLibraryFile.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IOException(resource + " is missing from the class path");
            }
            WholeFile.write(file, in::transferTo);
        }
    }
}

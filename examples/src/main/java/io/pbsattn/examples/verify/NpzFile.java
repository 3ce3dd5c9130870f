package io.pbsattn.examples.verify;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Arrays of a NumPy file, by name. */
public final class NpzFile {

    private final Path path;
    private final NDList arrays;

    private NpzFile(Path path, NDList arrays) {
        this.path = path;
        this.arrays = arrays;
    }

    public static NpzFile read(NDManager manager, Path path) throws IOException {
        if (!Files.isRegularFile(path)) {
            throw new IOException(path + ": no such file");
        }
        try (InputStream in = Files.newInputStream(path)) {
            return new NpzFile(path, NDList.decode(manager, in));
        } catch (RuntimeException e) {
            throw new IOException(path + ": not a NumPy file: " + e.getMessage(), e);
        }
    }

    /** Returns the one array of a file {@code .npy}. */
    static NDArray readArray(NDManager manager, Path path) throws IOException {
        return read(manager, path).arrays.singletonOrThrow();
    }

    NDArray get(String name) throws IOException {
        for (NDArray array : arrays) {
            if (name.equals(array.getName())) {
                return array;
            }
        }
        throw new IOException(path + ": array '" + name + "' is missing");
    }
}

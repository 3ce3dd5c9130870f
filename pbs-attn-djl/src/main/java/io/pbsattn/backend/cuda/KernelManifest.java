package io.pbsattn.backend.cuda;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import io.pbsattn.backend.BackendUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * What the build wrote about the kernels, native/cuda/pbs_cuda.json: the form is described in
 * native-kernels/include/pbs_cuda.h.
 *
 * @param abi the version of the interface that the kernels were built with
 * @param callSize bytes of the parameter block
 * @param fields offset of each of its fields, by the name in C
 * @param constants sizes, limits and codes that kernels and hosts share
 * @param architectures what the fatbin holds, such as sm_90a and compute_90
 * @param kernels how to launch each kernel, by its name
 * @param tma boxes of the tensor maps, by headDim
 */
record KernelManifest(
        int abi,
        int callSize,
        Map<String, Integer> fields,
        Constants constants,
        List<String> architectures,
        Map<String, Kernel> kernels,
        Map<String, Tma> tma) {

    /** PBS_CUDA_ABI_VERSION of the header that this package follows. */
    static final int ABI_VERSION = 2;

    /** Where the build packs what it has of CUDA. */
    static final String FOLDER = "/native/cuda/";

    private static final String NAME = "pbs_cuda.json";

    /** Swizzles of a tensor map by their bytes, as in CUtensorMapSwizzle. */
    private static final Map<Integer, Integer> SWIZZLES = Map.of(0, 0, 32, 1, 64, 2, 128, 3);

    private static final Gson GSON =
            new GsonBuilder()
                    .setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES)
                    .create();

    /**
     * The constants of native-kernels/include/pbs_cuda_constants.inc, which describes them; each
     * has its name.
     */
    record Constants(
            int blockSize,
            int keysPerSplit,
            int maxSegmentSize,
            int maxSeqlenK,
            int maxGridYz,
            int maxSelectRows,
            int maxSelectCells,
            int tensorAlignment,
            int workspaceAlignment,
            int perQueryHead,
            int perKvHead,
            int counters,
            int keptBlocks,
            int notFinite,
            int nextWork,
            int arrayShift,
            int sequenceShift,
            int headShift) {}

    /**
     * How to launch a kernel.
     *
     * @param threads threads in a block
     * @param shared bytes of dynamic shared memory; -1 where they depend on the call
     * @param only the architecture that alone has machine code of it, such as 90; 0 if all have
     * @param maps number of tensor maps that follow the parameter block
     */
    record Kernel(int threads, int shared, int only, int maps) {}

    /**
     * The boxes of the tensor maps.
     *
     * @param boxColumns elements of a row
     * @param qRows rows of q
     * @param kvRows rows of k and v
     * @param swizzle bytes
     */
    record Tma(int boxColumns, int qRows, int kvRows, int swizzle) {

        /** The CUtensorMapSwizzle. */
        int swizzleCode() {
            return SWIZZLES.get(swizzle);
        }
    }

    /**
     * Reads the manifest that is packed.
     *
     * @return the manifest
     * @throws BackendUnavailableException if there is none, or it is of another interface
     */
    static KernelManifest load() throws BackendUnavailableException {
        try (InputStream in = KernelManifest.class.getResourceAsStream(FOLDER + NAME)) {
            if (in == null) {
                throw new BackendUnavailableException(
                        "this build has no CUDA kernels; build native-kernels on a machine with"
                                + " nvcc (CUDA 12.8 or later)");
            }
            return parse(new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new BackendUnavailableException(NAME + " cannot be read: " + e, e);
        }
    }

    /**
     * Parses and checks a manifest.
     *
     * @throws BackendUnavailableException if it does not fit this package
     */
    static KernelManifest parse(String json) throws BackendUnavailableException {
        KernelManifest manifest;
        JsonObject tree;
        try {
            manifest = GSON.fromJson(json, KernelManifest.class);
            tree = GSON.fromJson(json, JsonObject.class);
        } catch (JsonParseException e) {
            throw new BackendUnavailableException(NAME + ": " + e.getMessage(), e);
        }
        if (manifest == null
                || manifest.fields == null
                || manifest.architectures == null
                || manifest.kernels == null
                || manifest.tma == null) {
            throw new BackendUnavailableException(
                    NAME + ": expected fields, architectures, kernels and tma");
        }
        if (manifest.abi != ABI_VERSION) {
            throw new BackendUnavailableException(
                    NAME
                            + ": expected kernels of interface version "
                            + ABI_VERSION
                            + ", found "
                            + manifest.abi
                            + "; build native-kernels and this library from the same source");
        }
        requireSameConstants(tree.get("constants"));
        return manifest;
    }

    /** What is missing would be 0, and what is not known here would not be heeded. */
    private static void requireSameConstants(JsonElement found) throws BackendUnavailableException {
        Set<String> expected =
                Arrays.stream(Constants.class.getDeclaredFields())
                        .map(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES::translateName)
                        .collect(Collectors.toCollection(TreeSet::new));
        Set<String> names =
                found instanceof JsonObject constants
                        ? new TreeSet<>(constants.keySet())
                        : Set.of();
        if (!expected.equals(names)) {
            throw new BackendUnavailableException(
                    NAME + ": expected the constants " + expected + ", found " + names);
        }
    }

    /** The head dimensions that there are kernels for. */
    List<Integer> headDims() {
        return tma.keySet().stream().map(Integer::valueOf).sorted().toList();
    }

    /**
     * Returns how to launch a kernel.
     *
     * @throws IllegalStateException if the build has no such kernel
     */
    Kernel kernel(String name) {
        Kernel kernel = kernels.get(name);
        if (kernel == null) {
            throw new IllegalStateException(NAME + " names no kernel " + name);
        }
        return kernel;
    }

    /** Whether the kernel is there and runs on a GPU. */
    boolean hasKernel(String name, Gpu gpu) {
        Kernel kernel = kernels.get(name);
        return kernel != null && (kernel.only == 0 || kernel.only == gpu.architecture());
    }

    /**
     * Returns the boxes of the tensor maps.
     *
     * @throws IllegalStateException if the build has none for that head dimension
     */
    Tma tma(int headDim) {
        Tma boxes = tma.get(Integer.toString(headDim));
        if (boxes == null || !SWIZZLES.containsKey(boxes.swizzle)) {
            throw new IllegalStateException(
                    NAME + ": expected tma of headDim " + headDim + ", found " + boxes);
        }
        return boxes;
    }
}

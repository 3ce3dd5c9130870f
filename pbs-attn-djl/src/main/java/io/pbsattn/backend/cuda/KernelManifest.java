package io.pbsattn.backend.cuda;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import com.google.gson.annotations.SerializedName;
import io.pbsattn.backend.BackendUnavailableException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * What the build wrote about the kernels, native/cuda/pbs_cuda.json: the form is described in
 * native-kernels/include/pbs_cuda.h.
 *
 * @param abi the version of the interface that the kernels were built with
 * @param callSize bytes of the parameter block
 * @param fields offset of each of its fields, by the name in C
 * @param architectures what the fatbin holds, such as sm_90a and compute_90
 * @param kernels how to launch each kernel, by its name
 * @param tma boxes of the tensor maps, by headDim
 */
record KernelManifest(
        int abi,
        @SerializedName("call_size") int callSize,
        Map<String, Integer> fields,
        List<String> architectures,
        Map<String, Kernel> kernels,
        Map<String, Tma> tma) {

    /** PBS_CUDA_ABI_VERSION of the header that this package follows. */
    static final int ABI_VERSION = 1;

    /** Where the build packs what it has of CUDA. */
    static final String FOLDER = "/native/cuda/";

    private static final String NAME = "pbs_cuda.json";

    /** Swizzles of a tensor map by their bytes, as in CUtensorMapSwizzle. */
    private static final Map<Integer, Integer> SWIZZLES = Map.of(0, 0, 32, 1, 64, 2, 128, 3);

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
    record Tma(
            @SerializedName("box_columns") int boxColumns,
            @SerializedName("q_rows") int qRows,
            @SerializedName("kv_rows") int kvRows,
            int swizzle) {

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
        try {
            manifest = new Gson().fromJson(json, KernelManifest.class);
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
        manifest.requireLayout();
        return manifest;
    }

    private void requireLayout() throws BackendUnavailableException {
        if (callSize != CallField.STRUCT_BYTES || fields.size() != CallField.values().length) {
            throw new BackendUnavailableException(
                    String.format(
                            "%s: expected a parameter block of %d bytes and %d fields, found %d"
                                    + " and %d",
                            NAME,
                            CallField.STRUCT_BYTES,
                            CallField.values().length,
                            callSize,
                            fields.size()));
        }
        for (CallField field : CallField.values()) {
            Integer offset = fields.get(field.cName());
            if (offset == null || offset != field.offset()) {
                throw new BackendUnavailableException(
                        String.format(
                                "%s: expected field %s at offset %d, found %s",
                                NAME, field.cName(), field.offset(), offset));
            }
        }
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

package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** A struct pbs_cuda_call in native memory, laid out as the manifest of the kernels says. */
final class CallBlock {

    private final Map<String, Integer> offsets;
    private final Set<String> missing;
    private final ByteBuffer bytes;

    CallBlock(KernelManifest manifest) {
        offsets = manifest.fields();
        missing = new TreeSet<>(offsets.keySet());
        bytes = ByteBuffer.allocateDirect(manifest.callSize()).order(ByteOrder.nativeOrder());
    }

    /**
     * Returns the struct's bytes.
     *
     * @throws IllegalStateException if a field was not set: the kernels know one that this host
     *     does not
     */
    ByteBuffer bytes() {
        if (!missing.isEmpty()) {
            throw new IllegalStateException("pbs_cuda_call: nothing sets the fields " + missing);
        }
        return bytes;
    }

    void set(String field, long value) {
        bytes.putLong(offset(field), value);
    }

    void set(String field, double value) {
        bytes.putDouble(offset(field), value);
    }

    /** Sets a tensor's address and strides. */
    void set(String field, CudaTensor tensor) {
        set(field, tensor.address());
        set(field + "_batch_stride", tensor.batchStride());
        set(field + "_head_stride", tensor.headStride());
        set(field + "_row_stride", tensor.rowStride());
    }

    private int offset(String field) {
        Integer offset = offsets.get(field);
        if (offset == null) {
            throw new IllegalStateException("pbs_cuda_call has no field " + field);
        }
        missing.remove(field);
        return offset;
    }
}

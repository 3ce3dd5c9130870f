package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A struct pbs_cuda_call in native memory; fields that are not set are 0. */
final class CallBlock {

    private final ByteBuffer bytes =
            ByteBuffer.allocateDirect(CallField.STRUCT_BYTES).order(ByteOrder.nativeOrder());

    /** The struct's bytes. */
    ByteBuffer bytes() {
        return bytes;
    }

    void set(CallField field, long value) {
        bytes.putLong(field.offset(), value);
    }

    void set(CallField field, double value) {
        bytes.putDouble(field.offset(), value);
    }

    /** Sets a tensor's address and, in the fields that follow it, its strides. */
    void set(CallField field, CudaTensor tensor) {
        long[] values = {
            tensor.address(), tensor.batchStride(), tensor.headStride(), tensor.rowStride()
        };
        for (int i = 0; i < values.length; ++i) {
            bytes.putLong(field.offset() + Long.BYTES * i, values[i]);
        }
    }
}

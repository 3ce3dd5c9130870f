package io.pbsattn.backend.cuda;

/** A call of the CUDA driver that failed; the message names the call, the code and the purpose. */
final class CudaException extends IllegalStateException {

    private static final long serialVersionUID = 1L;

    static final int OUT_OF_MEMORY = 2;

    private final int code;

    CudaException(String message, int code) {
        super(message);
        this.code = code;
    }

    /** Returns the driver's CUresult. */
    int code() {
        return code;
    }

    boolean isOutOfMemory() {
        return code == OUT_OF_MEMORY;
    }
}

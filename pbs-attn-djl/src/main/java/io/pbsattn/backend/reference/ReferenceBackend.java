package io.pbsattn.backend.reference;

import ai.djl.ndarray.NDManager;
import io.pbsattn.AttentionOutput;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionRequest;
import java.util.Optional;

/**
 * Runs {@link ReferenceHead} for every sequence and head: the oracle for every other backend, and
 * what runs where no kernel can. It is written to be read, not to be fast.
 *
 * <p>It computes in float64 where q is float64, and in float32 otherwise.
 */
final class ReferenceBackend implements AttentionBackend {

    /** {@inheritDoc} */
    @Override
    public String name() {
        return ReferenceBackendProvider.NAME;
    }

    /** {@inheritDoc} */
    @Override
    public String isa() {
        return "";
    }

    /** {@inheritDoc} */
    @Override
    public Optional<String> refusal(AttentionRequest request) {
        return switch (request.type()) {
            case FLOAT64, FLOAT32, BFLOAT16, FLOAT16 -> Optional.empty();
            default ->
                    Optional.of(
                            "expected float64, float32, bfloat16 or float16, found "
                                    + request.type());
        };
    }

    /** {@inheritDoc} */
    @Override
    public AttentionOutput forward(AttentionRequest request) {
        if (request.trace() != null) {
            request.trace().allocate(request);
        }
        try (NDManager scope = request.q().getManager().newSubManager()) {
            return new ReferenceCall(request, scope).run();
        }
    }
}

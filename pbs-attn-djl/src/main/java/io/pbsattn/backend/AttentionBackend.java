package io.pbsattn.backend;

import io.pbsattn.AttentionOutput;
import java.util.Optional;

/**
 * Runs attention calls on one kind of machine. Implementations are safe to use from several
 * threads.
 */
public interface AttentionBackend {

    /**
     * Returns the name by which users force this backend.
     *
     * @return a short lower-case name
     */
    String name();

    /**
     * Returns the instruction set or device in use.
     *
     * @return a name, "" where there is no such choice
     */
    String isa();

    /**
     * Tells why a call cannot run here.
     *
     * @param request the call
     * @return the reason, or empty if the call can run
     */
    Optional<String> refusal(AttentionRequest request);

    /**
     * Runs one call: permute, select, attend.
     *
     * @param request a call that {@link #refusal} has no objection to
     * @return output arrays that are attached to the manager of q; where the call has an {@link
     *     AttentionRequest#out}, that is the output ({@link AttentionRequest#finish} copies to it)
     * @throws IllegalArgumentException if q, k or v holds NaN or infinity
     */
    AttentionOutput forward(AttentionRequest request);
}

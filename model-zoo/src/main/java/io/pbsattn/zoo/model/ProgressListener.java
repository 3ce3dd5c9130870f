package io.pbsattn.zoo.model;

/**
 * Hears how far a prefill has come. It may throw to cancel it: the exception reaches the caller of
 * the prefill.
 */
@FunctionalInterface
public interface ProgressListener {

    /**
     * Called after each layer of each chunk of the prompt.
     *
     * @param done tokens times layers that are done
     * @param total tokens times layers of the whole prefill
     */
    void onProgress(long done, long total);
}

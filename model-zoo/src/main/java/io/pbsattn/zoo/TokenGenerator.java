package io.pbsattn.zoo;

import ai.djl.ndarray.NDManager;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * Continues prompts, one after another, and keeps the cache: what a prompt shares with what was
 * read and answered before is not run again.
 */
final class TokenGenerator implements AutoCloseable {

    /**
     * A shorter common beginning, such as the special token that opens every prompt, is run again.
     */
    private static final int MIN_REUSED_TOKENS = 64;

    private final CausalLm model;
    private final NDManager manager;
    private KvCache cache;
    private long[] cached = {};
    private TokenStream current;

    TokenGenerator(CausalLm model, NDManager manager) {
        this.model = model;
        this.manager = manager.newSubManager();
    }

    /** Begins to continue a single prompt, whose cache is released when the stream ends. */
    static TokenStream once(
            CausalLm model, NDManager manager, long[] prompt, GenerationOptions options) {
        TokenGenerator generator = new TokenGenerator(model, manager);
        return generator.stream(prompt, options, ids -> generator.manager.close());
    }

    /**
     * Begins to continue a prompt; the work is done as tokens are asked for.
     *
     * @param prompt ids, at least one
     * @param options how to go about it
     * @throws IllegalArgumentException if the prompt leaves no room for an answer in the model's
     *     context
     * @throws IllegalStateException if the stream before has not ended
     */
    TokenStream stream(long[] prompt, GenerationOptions options) {
        return stream(prompt, options, ids -> cached = ids);
    }

    private TokenStream stream(long[] prompt, GenerationOptions options, Consumer<long[]> onEnd) {
        if (current != null && current.isOpen()) {
            throw new IllegalStateException(
                    "the generation before has neither ended nor been closed");
        }
        check(prompt);
        GenerationSettings settings =
                GenerationSettings.of(options, model.generationConfig(), prompt.length);
        int reused = prepareCache(prompt);
        current =
                new TokenStream(
                        model, cache, manager.newSubManager(), prompt, reused, settings, onEnd);
        return current;
    }

    /**
     * Checks that a prompt can be answered.
     *
     * @throws IllegalArgumentException if it is empty or leaves no room for an answer in the
     *     model's context
     */
    void check(long[] prompt) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("prompt: expected at least one token");
        }
        if (cache == null) {
            cache = model.newCache(manager, 1, model.contextLimit());
        }
        if (prompt.length >= model.contextLimit()) {
            throw new IllegalArgumentException(
                    "context limit: the prompt has "
                            + prompt.length
                            + " tokens (a KV cache of "
                            + cache.bytes(prompt.length)
                            + " bytes), the limit is "
                            + model.contextLimit()
                            + " with the answer");
        }
    }

    /**
     * Keeps the longest prefix that the cache shares with the prompt; the last token runs in any
     * case, for its logits.
     */
    private int prepareCache(long[] prompt) {
        int shared = Arrays.mismatch(cached, prompt);
        shared = shared < 0 ? prompt.length : shared;
        shared = Math.min(shared, prompt.length - 1);
        shared = shared < MIN_REUSED_TOKENS ? 0 : shared;
        cached = Arrays.copyOf(cached, Math.min(shared, cached.length));
        cache.trimTo(cached.length);
        return cached.length;
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        if (current != null) {
            current.close();
        }
        manager.close();
    }
}

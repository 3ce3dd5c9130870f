package io.pbsattn.zoo;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * Generates greedily, prompt after prompt, and keeps the cache: what a prompt shares with the one
 * before is not run again.
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

    TokenGenerator(CausalLm model, NDManager manager) {
        this.model = model;
        this.manager = manager.newSubManager();
    }

    /**
     * Answers a prompt.
     *
     * @param prompt ids, at least one
     * @param maxNewTokens the most tokens to generate; fewer where the model's context ends
     * @param options of the prefill
     * @throws IllegalArgumentException if the prompt leaves no room for an answer in the model's
     *     context
     */
    GeneratedTokens generate(long[] prompt, int maxNewTokens, PrefillOptions options) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("prompt: expected at least one token");
        }
        if (maxNewTokens < 1) {
            throw new IllegalArgumentException(
                    "maxNewTokens: expected at least 1, found " + maxNewTokens);
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
        int room = model.contextLimit() - prompt.length;
        int limit = Math.min(maxNewTokens, room);
        int reused = prepareCache(prompt);
        cache.reserve(prompt.length - reused + limit);
        try (NDManager scope = manager.newSubManager()) {
            long[] fresh = Arrays.copyOfRange(prompt, reused, prompt.length);
            NDArray ids = scope.create(fresh, new Shape(1, fresh.length));
            PrefillResult prefill = model.prefill(ids, cache, options);
            cached = prompt;
            long start = System.nanoTime();
            List<Long> generated = decode(scope, prefill.logits().squeeze(1), limit);
            double seconds = (System.nanoTime() - start) / 1e9;
            Set<Long> ends = model.generationConfig().eosTokenIds();
            boolean ended = ends.contains(generated.get(generated.size() - 1));
            long[] answer =
                    generated.stream()
                            .limit(generated.size() - (ended ? 1 : 0))
                            .mapToLong(Long::longValue)
                            .toArray();
            return new GeneratedTokens(
                    answer,
                    ended,
                    prompt.length,
                    reused,
                    prefill.seconds(),
                    generated.size(),
                    seconds,
                    prefill.report());
        } finally {
            // What decoding has added is not kept; after a failure, neither is the new part of the
            // prompt.
            cache.trimTo(cached.length);
        }
    }

    private List<Long> decode(NDManager scope, NDArray promptLogits, int limit) {
        List<Long> generated = new ArrayList<>();
        NDArray logits = promptLogits;
        while (true) {
            long next = logits.argMax(-1).toLongArray()[0];
            logits.close();
            generated.add(next);
            if (generated.size() == limit
                    || model.generationConfig().eosTokenIds().contains(next)) {
                return generated;
            }
            try (NDManager step = scope.newSubManager()) {
                logits = model.decode(step.create(new long[] {next}, new Shape(1, 1)), cache);
                logits.attach(scope);
            }
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
        manager.close();
    }
}

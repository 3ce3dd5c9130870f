package io.pbsattn.zoo.generate;

import ai.djl.ndarray.NDManager;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Continues prompts, one after another or several in a batch, and keeps their caches: what a prompt
 * shares with what was read and answered before is not run again. Each stream of a batch has a slot
 * with a cache of its own, which another one takes when it has ended.
 */
public final class TokenGenerator implements AutoCloseable {

    /**
     * A shorter common beginning, such as the special token that opens every prompt, is run again.
     */
    private static final int MIN_REUSED_TOKENS = 64;

    private final CausalLm model;
    private final NDManager manager;
    private final List<Slot> slots = new ArrayList<>();
    private DecodeBatch batch;

    /**
     * Constructs a generator.
     *
     * @param model continues the prompts
     * @param manager will own the caches
     */
    public TokenGenerator(CausalLm model, NDManager manager) {
        this.model = model;
        this.manager = manager.newSubManager();
    }

    /**
     * Begins to continue a single prompt, whose cache is released when the stream ends.
     *
     * @param model continues the prompt
     * @param manager will own the cache
     * @param prompt ids, at least one
     * @param settings how to go about it
     * @return the stream, to be closed
     */
    public static TokenStream once(
            CausalLm model, NDManager manager, long[] prompt, GenerationSettings settings) {
        TokenGenerator generator = new TokenGenerator(model, manager);
        generator.begin();
        return generator.join(prompt, settings, generator.manager::close);
    }

    /**
     * Begins to continue a prompt; the work is done as tokens are asked for.
     *
     * @param prompt ids, at least one
     * @param settings how to go about it, for this prompt
     * @throws IllegalStateException if a stream before has not ended
     */
    TokenStream stream(long[] prompt, GenerationSettings settings) {
        begin();
        return join(prompt, settings);
    }

    /**
     * Begins a batch of streams.
     *
     * @throws IllegalStateException if a stream before has not ended
     */
    void begin() {
        if (!slots.stream().allMatch(Slot::isFree)) {
            throw new IllegalStateException(
                    "the generation before has neither ended nor been closed");
        }
        batch = new DecodeBatch(model);
    }

    /**
     * Begins to continue a prompt beside the other streams of the batch. What it begins with in
     * common with one of them, or with one that has ended, is not run again.
     */
    TokenStream join(long[] prompt, GenerationSettings settings) {
        return join(prompt, settings, () -> {});
    }

    private TokenStream join(long[] prompt, GenerationSettings settings, Runnable onEnd) {
        DecodeBatch joined = batch;
        // While a beginning is copied, no step writes to the caches.
        synchronized (joined) {
            Slot slot = slotFor(prompt, TokenStream.room(prompt.length, settings));
            slot.stream =
                    new TokenStream(
                            model,
                            slot.cache,
                            prompt,
                            slot.cache.length(),
                            settings,
                            joined,
                            onEnd);
            return slot.stream;
        }
    }

    /** Ends a batch, all of whose streams have ended: the longest cache is kept. */
    void end() {
        slots.sort(Comparator.comparingInt((Slot slot) -> slot.cache.length()).reversed());
        while (slots.size() > 1) {
            slots.remove(1).cache.close();
        }
    }

    /**
     * A free slot whose cache holds the longest beginning of the prompt that is to be had: its own,
     * cut back to it, or a copy of another one's.
     *
     * @param room tokens that the cache is to be large enough for
     */
    private Slot slotFor(long[] prompt, int room) {
        Slot free = slots.stream().filter(Slot::isFree).max(byShared(prompt)).orElse(null);
        if (free == null) {
            free = new Slot(model.newCache(manager, 1, model.contextLimit()));
            slots.add(free);
        }
        Slot best = slots.stream().max(byShared(prompt)).orElseThrow();
        int shared = reusable(best, prompt);
        if (shared > reusable(free, prompt)) {
            free.cache.copyFrom(best.cache, shared, room);
        } else {
            free.cache.trimTo(shared);
        }
        return free;
    }

    private Comparator<Slot> byShared(long[] prompt) {
        return Comparator.comparingInt(slot -> reusable(slot, prompt));
    }

    /**
     * What a cache saves: tokens whose keys are what they would be without it. The last token runs
     * in any case, for its logits.
     */
    private int reusable(Slot slot, long[] prompt) {
        int same = slot.cache.sharedTokens(prompt, model.keyTable(prompt.length));
        int shared = Math.min(same, prompt.length - 1);
        return shared < MIN_REUSED_TOKENS ? 0 : shared;
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        for (Slot slot : slots) {
            if (slot.stream != null) {
                slot.stream.close();
            }
        }
        manager.close();
    }

    /** A cache and the stream that it serves, or has served last. */
    private static final class Slot {

        private final KvCache cache;
        private TokenStream stream;

        Slot(KvCache cache) {
            this.cache = cache;
        }

        boolean isFree() {
            return stream == null || !stream.isOpen();
        }
    }
}

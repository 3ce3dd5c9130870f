package io.pbsattn.zoo.generate;

import ai.djl.ndarray.NDManager;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Continues prompts, one after another or several in a batch, and keeps their caches: what a prompt
 * shares with what was read and answered before is not run again. Each stream of a batch has a
 * place with a cache of its own, which another one takes when it has ended.
 */
public final class TokenGenerator implements AutoCloseable {

    /**
     * A shorter common beginning, such as the special token that opens every prompt, is run again.
     */
    private static final int MIN_REUSED_TOKENS = 64;

    private final CausalLm model;
    private final NDManager manager;
    private final List<Place> places = new ArrayList<>();
    private DecodeBatch batch;

    public TokenGenerator(CausalLm model, NDManager manager) {
        this.model = model;
        this.manager = manager.newSubManager();
    }

    /** Begins to continue a single prompt, whose cache is released when the stream ends. */
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
        if (!places.stream().allMatch(Place::isFree)) {
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
            Place place = placeFor(prompt, TokenStream.room(prompt.length, settings));
            place.stream =
                    new TokenStream(
                            model,
                            place.cache,
                            manager.newSubManager(),
                            prompt,
                            place.cache.length(),
                            settings,
                            joined,
                            onEnd);
            return place.stream;
        }
    }

    /** Ends a batch, all of whose streams have ended: the longest cache is kept. */
    void end() {
        places.sort(Comparator.comparingInt((Place place) -> place.cache.length()).reversed());
        while (places.size() > 1) {
            places.remove(1).cache.close();
        }
    }

    /**
     * A free place whose cache holds the longest beginning of the prompt that is to be had: its
     * own, cut back to it, or a copy of another one's.
     *
     * @param room tokens that the cache is to be large enough for
     */
    private Place placeFor(long[] prompt, int room) {
        Place free = places.stream().filter(Place::isFree).max(byShared(prompt)).orElse(null);
        if (free == null) {
            free = new Place(model.newCache(manager, 1, model.contextLimit()));
            places.add(free);
        }
        Place best = places.stream().max(byShared(prompt)).orElseThrow();
        int shared = reusable(best, prompt);
        if (shared > reusable(free, prompt)) {
            free.cache.copyFrom(best.cache, shared, room);
        } else {
            free.cache.trimTo(shared);
        }
        return free;
    }

    private Comparator<Place> byShared(long[] prompt) {
        return Comparator.comparingInt(place -> reusable(place, prompt));
    }

    /**
     * What a cache saves: tokens whose keys are what they would be without it. The last token runs
     * in any case, for its logits.
     */
    private int reusable(Place place, long[] prompt) {
        int same = place.cache.sharedTokens(prompt, model.keyTable(prompt.length));
        int shared = Math.min(same, prompt.length - 1);
        return shared < MIN_REUSED_TOKENS ? 0 : shared;
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        for (Place place : places) {
            if (place.stream != null) {
                place.stream.close();
            }
        }
        manager.close();
    }

    /** A cache and the stream that it serves, or has served last. */
    private static final class Place {

        private final KvCache cache;
        private TokenStream stream;

        Place(KvCache cache) {
            this.cache = cache;
        }

        boolean isFree() {
            return stream == null || !stream.isOpen();
        }
    }
}

package io.pbsattn.zoo.generate;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.PrefillReport;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.model.PrefillResult;
import io.pbsattn.zoo.model.ProgressListener;
import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The tokens that follow a prompt, each computed when it is asked for; the token that ends the
 * answer is not among them. The first one takes the prefill. Whatever ends it, between two tokens
 * or by an exception, the cache then holds whole tokens.
 */
public final class TokenStream implements PrimitiveIterator.OfLong, AutoCloseable {

    /** Room for the prompt and for this many new tokens is made at once. */
    private static final int NEW_TOKENS_AT_ONCE = 1024;

    private final CausalLm model;
    private final KvCache cache;
    private final GenerationSettings settings;
    private final DecodeBatch batch;
    private final Sampler sampler;
    private final int promptTokens;
    private final int reusedTokens;
    private final Runnable onEnd;

    /** The prompt and what follows it. */
    private long[] ids;

    private int size;

    /** Those of the token to be chosen next; null if the last token has not run. */
    private float[] logits;

    /** Is to be thrown instead of the token to be chosen next; null if nothing has failed. */
    private RuntimeException failure;

    private boolean isReady;
    private FinishReason reason;
    private boolean isOpen = true;
    private volatile boolean isCancelled;
    private PrefillReport report;
    private double prefillSeconds;
    private double firstTokenSeconds;
    private double decodeSeconds;
    private int decodeTokens;

    /**
     * Constructs the stream; nothing is run yet.
     *
     * @param prompt at least one id, fewer than the model's context
     * @param reusedTokens of the prompt, which the cache holds
     * @param batch the streams to decode with
     * @param onEnd is called when the stream has ended
     */
    TokenStream(
            CausalLm model,
            KvCache cache,
            long[] prompt,
            int reusedTokens,
            GenerationSettings settings,
            DecodeBatch batch,
            Runnable onEnd) {
        this.model = model;
        this.cache = cache;
        this.reusedTokens = reusedTokens;
        this.settings = settings;
        this.batch = batch;
        this.onEnd = onEnd;
        promptTokens = prompt.length;
        sampler = new Sampler(settings.sampling(), prompt);
        ids = prompt.clone();
        size = promptTokens;
        batch.add(this);
    }

    /** {@inheritDoc} */
    @Override
    public boolean hasNext() {
        synchronized (batch) {
            if (!isReady && reason == null) {
                try {
                    if (decodeTokens == settings.maxNewTokens()) {
                        end(FinishReason.LENGTH);
                    } else {
                        advance();
                    }
                } catch (Stop e) {
                    end(FinishReason.CANCELLED);
                } catch (RuntimeException | Error e) {
                    end(FinishReason.CANCELLED);
                    throw e;
                }
            }
            return isReady;
        }
    }

    /** {@inheritDoc} */
    @Override
    public long nextLong() {
        synchronized (batch) {
            if (!hasNext()) {
                throw new NoSuchElementException("the answer has ended: " + reason);
            }
            isReady = false;
            return ids[size - 1];
        }
    }

    /** Computes the next token, or finds that there is none. */
    private void advance() {
        checkCancelled();
        if (failure != null) {
            throw failure;
        }
        if (decodeTokens == 0) {
            prefill();
        } else if (logits == null) {
            batch.step(this);
        }
        long begin = System.nanoTime();
        int id = sampler.next(logits);
        logits = null;
        decodeSeconds += since(begin);
        if (decodeTokens++ == 0) {
            firstTokenSeconds = prefillSeconds + decodeSeconds;
        }
        if (settings.eosTokenIds().contains((long) id)) {
            end(FinishReason.EOS);
            return;
        }
        ids = size == ids.length ? Arrays.copyOf(ids, size + size / 2 + 1) : ids;
        ids[size++] = id;
        isReady = true;
    }

    /** The tokens that a cache is made large enough for before a prompt is run. */
    static int room(int promptTokens, GenerationSettings settings) {
        return promptTokens + Math.min(settings.maxNewTokens(), NEW_TOKENS_AT_ONCE);
    }

    private void prefill() {
        long begin = System.nanoTime();
        cache.reserve(room(promptTokens, settings) - reusedTokens);
        PrefillOptions options = settings.prefill();
        ProgressListener listener = options.listener();
        PrefillOptions stoppable =
                options.forAnswer(
                        (done, total) -> {
                            listener.onProgress(done, total);
                            checkCancelled();
                        });
        // Nobody else knows this manager, so nobody closes it under the prefill.
        try (NDManager step = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            long[] tokens = Arrays.copyOfRange(ids, reusedTokens, promptTokens);
            NDArray input = step.create(tokens, new Shape(1, tokens.length));
            PrefillResult result = model.prefill(input, cache, stoppable);
            report = result.report();
            logits = result.logits().toFloatArray();
        }
        prefillSeconds = since(begin);
    }

    /**
     * Says whether the last token has been chosen, is to be followed by another and has not run.
     */
    boolean awaitsStep() {
        return isOpen
                && !isCancelled
                && logits == null
                && failure == null
                && decodeTokens > 0
                && decodeTokens < settings.maxNewTokens();
    }

    long lastToken() {
        return ids[size - 1];
    }

    KvCache cache() {
        return cache;
    }

    /** Takes what a step has made of the last token, and the time of the step. */
    void accept(float[] ofLastToken, long nanos) {
        logits = ofLastToken;
        decodeSeconds += nanos / 1e9;
    }

    /** Takes what has kept its cache from taking the last token; the stream ends by it. */
    void fail(RuntimeException e) {
        failure = e;
    }

    private void checkCancelled() {
        if (isCancelled || Thread.currentThread().isInterrupted()) {
            throw new Stop();
        }
    }

    /** Ends the answer before its next token; may be called from any thread. */
    void cancel() {
        isCancelled = true;
    }

    /** Ends the answer because of what its tokens say; goes before other reasons. */
    void stop() {
        synchronized (batch) {
            end(FinishReason.STOP);
            reason = FinishReason.STOP;
        }
    }

    private void end(FinishReason why) {
        synchronized (batch) {
            reason = reason == null ? why : reason;
            isReady = false;
            if (isOpen) {
                isOpen = false;
                logits = null;
                batch.remove(this);
                onEnd.run();
            }
        }
    }

    boolean isOpen() {
        synchronized (batch) {
            return isOpen;
        }
    }

    /**
     * Reads the answer to its end.
     *
     * @return all of its ids
     */
    public long[] rest() {
        // Between two tokens others may be closed.
        while (hasNext()) {
            nextLong();
        }
        synchronized (batch) {
            return Arrays.copyOfRange(ids, promptTokens, size);
        }
    }

    /**
     * Returns the tokens as lists of one id (1, 1).
     *
     * @param manager owns the ids
     * @return the lists; closing the stream ends the answer
     */
    public Stream<NDList> lists(NDManager manager) {
        Shape shape = new Shape(1, 1);
        return StreamSupport.longStream(
                        Spliterators.spliteratorUnknownSize(this, Spliterator.ORDERED), false)
                .mapToObj(id -> new NDList(manager.create(new long[] {id}, shape)))
                .onClose(this::close);
    }

    /** What the answer took so far; it is final once the stream has ended. */
    GenerationResult result(String text) {
        synchronized (batch) {
            return new GenerationResult(
                    text,
                    reason,
                    promptTokens,
                    reusedTokens,
                    prefillSeconds,
                    firstTokenSeconds,
                    decodeTokens,
                    decodeSeconds,
                    report);
        }
    }

    private static double since(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1e9;
    }

    /** Cancels it if it has not ended; waits for a token that is being computed. */
    @Override
    public void close() {
        cancel();
        end(FinishReason.CANCELLED);
    }

    /** Leaves the prefill or the loop; never leaves this class. */
    private static final class Stop extends CancellationException {
        private static final long serialVersionUID = 1L;
    }
}

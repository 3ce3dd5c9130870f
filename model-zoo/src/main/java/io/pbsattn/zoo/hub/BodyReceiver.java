package io.pbsattn.zoo.hub;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/**
 * Hands a body on as it comes, and knows when its last byte came: the client itself would wait for
 * the next one for ever. Bodies of errors are dropped.
 */
final class BodyReceiver
        implements HttpResponse.BodyHandler<Void>, HttpResponse.BodySubscriber<Void> {

    private final Sink sink;
    private final CompletableFuture<Void> done = new CompletableFuture<>();
    private volatile long lastNanos = System.nanoTime();
    private HttpResponse.ResponseInfo response;
    private Flow.Subscription subscription;
    private boolean closed;

    BodyReceiver(Sink sink) {
        this.sink = sink;
    }

    /** Takes the bytes of a body. */
    @FunctionalInterface
    interface Sink {

        /**
         * Takes the next bytes.
         *
         * @param response status and headers
         * @throws IOException to end the exchange
         */
        void accept(HttpResponse.ResponseInfo response, byte[] bytes) throws IOException;
    }

    long idleNanos() {
        return System.nanoTime() - lastNanos;
    }

    /** Hands on nothing more: an exchange that was given up must not disturb the next one. */
    synchronized void close() {
        closed = true;
    }

    /** {@inheritDoc} */
    @Override
    public HttpResponse.BodySubscriber<Void> apply(HttpResponse.ResponseInfo info) {
        lastNanos = System.nanoTime();
        response = info;
        return info.statusCode() / 100 == 2 ? this : HttpResponse.BodySubscribers.replacing(null);
    }

    /** {@inheritDoc} */
    @Override
    public CompletionStage<Void> getBody() {
        return done;
    }

    /** {@inheritDoc} */
    @Override
    public void onSubscribe(Flow.Subscription newSubscription) {
        subscription = newSubscription;
        subscription.request(Long.MAX_VALUE);
    }

    /** {@inheritDoc} */
    @Override
    public synchronized void onNext(List<ByteBuffer> buffers) {
        lastNanos = System.nanoTime();
        if (closed) {
            return;
        }
        try {
            for (ByteBuffer buffer : buffers) {
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                sink.accept(response, bytes);
            }
        } catch (IOException | RuntimeException e) {
            closed = true;
            subscription.cancel();
            done.completeExceptionally(e);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void onError(Throwable reason) {
        done.completeExceptionally(reason);
    }

    /** {@inheritDoc} */
    @Override
    public void onComplete() {
        done.complete(null);
    }
}

package io.pbsattn.util;

import java.util.Collection;
import java.util.List;
import java.util.function.Supplier;

/**
 * Something that several threads use and any thread may close at any time. Once it is closed no use
 * begins, and the last one that has begun releases it: nothing is released while it is in use, and
 * closing never waits.
 */
public final class SharedResource implements AutoCloseable {

    private final String name;
    private final Runnable release;
    private int uses;
    private boolean isClosed;

    /**
     * Constructs an open resource.
     *
     * @param name what it is, for messages: {@code the model}
     * @param release is called once, by the thread that closes it or that ends its last use
     */
    public SharedResource(String name, Runnable release) {
        this.name = name;
        this.release = release;
    }

    /**
     * Uses it.
     *
     * @param work what needs it open
     * @param <T> what the work gives
     * @return what the work gives
     * @throws IllegalStateException if it has been closed
     */
    public <T> T use(Supplier<T> work) {
        return use(List.of(this), work);
    }

    /**
     * Uses it.
     *
     * @param work what needs it open
     * @throws IllegalStateException if it has been closed
     */
    public void run(Runnable work) {
        use(
                () -> {
                    work.run();
                    return null;
                });
    }

    /**
     * Uses several at once.
     *
     * @param resources what has to be open
     * @param work what needs them
     * @param <T> what the work gives
     * @return what the work gives
     * @throws IllegalStateException if one has been closed
     */
    public static <T> T use(Collection<SharedResource> resources, Supplier<T> work) {
        int begun = 0;
        try {
            for (SharedResource resource : resources) {
                resource.begin();
                ++begun;
            }
            return work.get();
        } finally {
            resources.stream().limit(begun).forEach(SharedResource::end);
        }
    }

    /**
     * Ends long work on something that has been closed meanwhile.
     *
     * @throws IllegalStateException if it has been closed
     */
    public synchronized void requireOpen() {
        if (isClosed) {
            throw new IllegalStateException(name + " has been closed");
        }
    }

    private synchronized void begin() {
        requireOpen();
        ++uses;
    }

    private void end() {
        boolean isLast;
        synchronized (this) {
            --uses;
            isLast = isClosed && uses == 0;
        }
        if (isLast) {
            release.run();
        }
    }

    /** Lets no use begin, and releases it now or when the last use ends. */
    @Override
    public void close() {
        boolean isUnused;
        synchronized (this) {
            if (isClosed) {
                return;
            }
            isClosed = true;
            isUnused = uses == 0;
        }
        if (isUnused) {
            release.run();
        }
    }
}

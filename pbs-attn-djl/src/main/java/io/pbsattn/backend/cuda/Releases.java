package io.pbsattn.backend.cuda;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What is to be given back, the last taken first. Closing runs every step whatever fails, and
 * throws the first failure at its end.
 */
final class Releases implements AutoCloseable {

    private final Deque<Runnable> steps = new ArrayDeque<>();

    void push(Runnable step) {
        steps.push(step);
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        RuntimeException first = null;
        while (!steps.isEmpty()) {
            try {
                steps.pop().run();
            } catch (RuntimeException e) {
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }
}

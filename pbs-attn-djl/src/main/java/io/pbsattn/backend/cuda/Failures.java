package io.pbsattn.backend.cuda;

/** Runs all steps of a clean-up whatever fails, and throws the first failure at its end. */
final class Failures {

    private RuntimeException first;

    void run(Runnable step) {
        try {
            step.run();
        } catch (RuntimeException e) {
            if (first == null) {
                first = e;
            } else {
                first.addSuppressed(e);
            }
        }
    }

    void throwFirst() {
        if (first != null) {
            throw first;
        }
    }
}

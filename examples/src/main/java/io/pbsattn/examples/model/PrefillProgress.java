package io.pbsattn.examples.model;

import io.pbsattn.zoo.model.ProgressListener;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;

/** Shows how far a prefill has come; on a terminal only. */
public final class PrefillProgress implements ProgressListener, AutoCloseable {

    /** Set by ./pbs where standard error is a terminal; the JVM cannot tell reliably. */
    private static final String TERMINAL_PROPERTY = "pbs.terminal";

    private ProgressBar bar;

    public PrefillProgress(String task) {
        bar =
                !isOnTerminal()
                        ? null
                        : new ProgressBarBuilder()
                                .setTaskName(task)
                                .setInitialMax(1)
                                .setUpdateIntervalMillis(100)
                                .clearDisplayOnFinish()
                                .build();
    }

    static boolean isOnTerminal() {
        return Boolean.getBoolean(TERMINAL_PROPERTY);
    }

    /** {@inheritDoc} */
    @Override
    public void onProgress(long done, long total) {
        if (bar != null) {
            bar.maxHint(total);
            bar.stepTo(done);
        }
    }

    /** Takes the bar away. */
    public void finish() {
        if (bar != null) {
            bar.close();
            bar = null;
        }
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        finish();
    }
}

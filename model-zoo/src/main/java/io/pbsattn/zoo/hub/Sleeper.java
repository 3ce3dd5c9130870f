package io.pbsattn.zoo.hub;

import java.time.Duration;

/** Waits between attempts; tests only write down how long. */
@FunctionalInterface
interface Sleeper {

    /** Waits on the clock. */
    Sleeper REAL = wait -> Thread.sleep(wait.toMillis());

    void sleep(Duration wait) throws InterruptedException;
}

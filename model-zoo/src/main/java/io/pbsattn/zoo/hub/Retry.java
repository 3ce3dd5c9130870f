package io.pbsattn.zoo.hub;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.net.http.HttpConnectTimeoutException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tries again what may go better later: dropped connections, and servers that have no time. */
final class Retry {

    /** Attempts before a request is given up. */
    static final int ATTEMPTS = 6;

    /** The longest that a server may ask to wait; one that asks for more is left to the user. */
    static final Duration LONGEST_WAIT = Duration.ofMinutes(2);

    private static final Logger logger = LoggerFactory.getLogger(Retry.class);
    private static final Duration FIRST_WAIT = Duration.ofSeconds(1);

    private final Sleeper sleeper;
    private final Duration reachTimeout;

    /**
     * Constructs it.
     *
     * @param sleeper waits between attempts
     * @param reachTimeout after which a server that cannot be reached is given up
     */
    Retry(Sleeper sleeper, Duration reachTimeout) {
        this.sleeper = sleeper;
        this.reachTimeout = reachTimeout;
    }

    /** What is tried. */
    @FunctionalInterface
    interface Attempt<T> {
        T run() throws IOException;
    }

    /**
     * Runs an attempt until it succeeds.
     *
     * @param what is wanted, for messages
     * @param attempts how often at most
     * @param attempt throws {@link HubException} where another try is of no use
     * @throws HubUnavailableException after the last attempt
     */
    <T> T run(String what, int attempts, Attempt<T> attempt) throws IOException {
        Duration backoff = FIRST_WAIT;
        Duration spent = Duration.ZERO;
        for (int left = attempts - 1; ; --left) {
            long begun = System.nanoTime();
            try {
                return attempt.run();
            } catch (HubException | InterruptedIOException e) {
                throw e;
            } catch (IOException e) {
                Duration wait = backoff;
                if (e instanceof BusyException busy && busy.retryAfter() != null) {
                    wait = busy.retryAfter();
                }
                Duration attempted = Duration.ofNanos(System.nanoTime() - begun);
                // The next attempt takes as long as this one, as far as one can tell.
                spent = spent.plus(attempted).plus(wait);
                boolean isOutOfReach =
                        isOutOfReach(e) && spent.plus(attempted).compareTo(reachTimeout) > 0;
                if (left <= 0 || wait.compareTo(LONGEST_WAIT) > 0 || isOutOfReach) {
                    throw unavailable(what, e, wait, attempts - left);
                }
                logger.info("{}: {}; trying again in {} s", what, reason(e), wait.toSeconds());
                sleep(wait);
                backoff = backoff.multipliedBy(2);
            }
        }
    }

    /** Whether there is no way to the server, as where a machine has no network. */
    private static boolean isOutOfReach(IOException e) {
        return e instanceof UnknownHostException
                || e instanceof SocketException
                || e instanceof HttpConnectTimeoutException;
    }

    private static HubUnavailableException unavailable(
            String what, IOException e, Duration wait, int attempts) {
        String remedy =
                wait.compareTo(LONGEST_WAIT) > 0
                        ? "; the server asks to wait " + wait.toSeconds() + " s"
                        : "";
        return new HubUnavailableException(
                what
                        + ": "
                        + reason(e)
                        + " ("
                        + attempts
                        + (attempts == 1 ? " attempt)" : " attempts)")
                        + remedy,
                e);
    }

    private static String reason(IOException e) {
        boolean isPlain = e instanceof BusyException;
        return isPlain
                ? e.getMessage()
                : e.getClass().getSimpleName()
                        + (e.getMessage() == null ? "" : ": " + e.getMessage());
    }

    private void sleep(Duration wait) throws IOException {
        try {
            sleeper.sleep(wait);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            InterruptedIOException interrupted =
                    new InterruptedIOException("interrupted while waiting for the hub");
            interrupted.initCause(e);
            throw interrupted;
        }
    }
}

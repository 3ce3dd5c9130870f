package io.pbsattn.util;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;

/** Warnings that a process says once, however often their reason comes up. */
public final class WarnOnce {

    private static final Set<String> SAID = ConcurrentHashMap.newKeySet();

    private WarnOnce() {}

    /**
     * Logs a warning unless it was logged before. Messages that differ in numbers alone are the
     * same: the sizes of another call are no other reason.
     *
     * @param logger where it goes
     * @param message the reason and its remedy
     */
    public static void warn(Logger logger, String message) {
        if (SAID.add(message.replaceAll("\\d+", "#"))) {
            logger.warn("{}", message);
        }
    }
}

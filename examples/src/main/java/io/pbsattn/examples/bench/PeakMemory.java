package io.pbsattn.examples.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The most memory that this process has had resident, as Linux counts it. */
public final class PeakMemory {

    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR = Path.of("/proc/self/clear_refs");
    private static final String CLEAR_PEAK = "5";
    private static final String PEAK_KEY = "VmHWM:";

    private PeakMemory() {}

    /** Begins to count anew; where the system cannot, the peak stays that of the process. */
    public static void reset() {
        try {
            Files.writeString(CLEAR, CLEAR_PEAK);
        } catch (IOException e) {
            // Not Linux, or not allowed: the figure is then an upper bound.
        }
    }

    /** Returns the peak in bytes; 0 where the system does not tell. */
    public static long bytes() {
        try {
            for (String line : Files.readAllLines(STATUS)) {
                if (line.startsWith(PEAK_KEY)) {
                    return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
                }
            }
        } catch (IOException e) {
            // Not Linux.
        }
        return 0;
    }
}

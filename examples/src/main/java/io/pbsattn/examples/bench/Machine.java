package io.pbsattn.examples.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Names the machine that figures come from. */
public final class Machine {

    private Machine() {}

    /** The CPU's name, where the system tells it, and its cores. */
    public static String describe() throws IOException {
        Path cpuInfo = Path.of("/proc/cpuinfo");
        String name = System.getProperty("os.arch");
        if (Files.isReadable(cpuInfo)) {
            name =
                    Files.readString(cpuInfo, StandardCharsets.UTF_8)
                            .lines()
                            .filter(line -> line.startsWith("model name"))
                            .map(line -> line.substring(line.indexOf(':') + 1).strip())
                            .findFirst()
                            .orElse(name);
        }
        return name + ", " + Runtime.getRuntime().availableProcessors() + " cores";
    }
}

package io.pbsattn.examples.verify.fuzz;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/** Goes wrong in each way that there is, by its seed. */
final class FaultyFuzzer implements Fuzzer {

    /** In which way each seed goes wrong. */
    static final List<String> WAYS =
            List.of("fine", "refused", "unnamed", "halt", "hang", "memory", "stack", "refused");

    private static final String FILE = "way";

    /** {@inheritDoc} */
    @Override
    public void write(Path folder, SplittableRandom random) throws Exception {
        Files.writeString(folder.resolve(FILE), WAYS.get(seed(random)));
    }

    private static int seed(SplittableRandom random) {
        long value = random.nextLong();
        for (int seed = 0; seed < WAYS.size(); ++seed) {
            if (new SplittableRandom(seed).nextLong() == value) {
                return seed;
            }
        }
        throw new IllegalStateException("a seed without a way");
    }

    /** {@inheritDoc} */
    @Override
    public void read(Path folder) throws Exception {
        switch (Files.readString(folder.resolve(FILE))) {
            case "refused" -> throw new IllegalArgumentException("file " + FILE + ": is wrong");
            case "unnamed" -> throw new IllegalStateException("something is wrong");
            case "halt" -> Runtime.getRuntime().halt(3);
            case "hang" -> Thread.sleep(60_000);
            case "memory" -> System.out.println(new long[1 << 28].length);
            case "stack" -> read(folder);
            default -> {
                // Fine.
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public boolean names(String message, Path folder) {
        return message.contains("file " + FILE);
    }
}

package io.pbsattn;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/**
 * What one or several attention calls did and how long it took: a part for each backend that ran.
 *
 * @param parts one for each pair of backend and instruction set, in the order in which they ran
 */
public record PrefillReport(List<Part> parts) {

    /** The backend's name where PyTorch's dense attention ran. */
    public static final String PYTORCH = "pytorch";

    /**
     * The calls that one backend ran.
     *
     * @param backend the backend's name, or {@link #PYTORCH}
     * @param isa the instruction set or device that ran, "" where there is no such choice
     * @param keptBlocks blocks of (query block, key block) that were computed, over all sequences
     *     and query heads
     * @param causalBlocks blocks that dense causal attention would have computed
     * @param permuteSeconds wall time of scoring and ordering the keys
     * @param selectSeconds wall time of scoring and choosing the blocks; on the CPU, where threads
     *     choose blocks when they are about to attend to them, the mean over the threads
     * @param attendSeconds wall time of the attention over the kept blocks, without the former
     * @param totalSeconds wall time of the whole calls
     */
    public record Part(
            String backend,
            String isa,
            long keptBlocks,
            long causalBlocks,
            double permuteSeconds,
            double selectSeconds,
            double attendSeconds,
            double totalSeconds) {

        private boolean isAlike(Part other) {
            return backend.equals(other.backend) && isa.equals(other.isa);
        }

        private Part plus(Part other) {
            return new Part(
                    backend,
                    isa,
                    keptBlocks + other.keptBlocks,
                    causalBlocks + other.causalBlocks,
                    permuteSeconds + other.permuteSeconds,
                    selectSeconds + other.selectSeconds,
                    attendSeconds + other.attendSeconds,
                    totalSeconds + other.totalSeconds);
        }
    }

    /**
     * Constructs a report; parts of the same backend and instruction set become one.
     *
     * @param parts what ran, in its order
     * @throws IllegalArgumentException if there is no part
     */
    public PrefillReport {
        if (parts.isEmpty()) {
            throw new IllegalArgumentException("parts: expected at least one, found none");
        }
        List<Part> merged = new ArrayList<>();
        for (Part part : parts) {
            int i = 0;
            while (i < merged.size() && !merged.get(i).isAlike(part)) {
                ++i;
            }
            if (i == merged.size()) {
                merged.add(part);
            } else {
                merged.set(i, merged.get(i).plus(part));
            }
        }
        parts = List.copyOf(merged);
    }

    /**
     * Constructs the report of one backend; the parameters are those of {@link Part}.
     *
     * @param backend the backend's name
     * @param isa the instruction set or device that ran, "" where there is no such choice
     * @param keptBlocks blocks that were computed
     * @param causalBlocks blocks that dense causal attention would have computed
     * @param permuteSeconds wall time of scoring and ordering the keys
     * @param selectSeconds wall time of scoring and choosing the blocks
     * @param attendSeconds wall time of the attention over the kept blocks
     * @param totalSeconds wall time of the whole calls
     */
    public PrefillReport(
            String backend,
            String isa,
            long keptBlocks,
            long causalBlocks,
            double permuteSeconds,
            double selectSeconds,
            double attendSeconds,
            double totalSeconds) {
        this(
                List.of(
                        new Part(
                                backend,
                                isa,
                                keptBlocks,
                                causalBlocks,
                                permuteSeconds,
                                selectSeconds,
                                attendSeconds,
                                totalSeconds)));
    }

    /**
     * Reports dense attention, which keeps every block.
     *
     * @param backend what ran, such as {@link #PYTORCH}
     * @param causalBlocks blocks that it computed
     * @param seconds wall time of the calls
     * @return the report
     */
    public static PrefillReport dense(String backend, long causalBlocks, double seconds) {
        return new PrefillReport(backend, "", causalBlocks, causalBlocks, 0, 0, seconds, seconds);
    }

    /**
     * Returns the names of the backends that ran, such as {@code cpu} or {@code cpu+pytorch}.
     *
     * @return the one that had most blocks to compute first
     */
    public String backend() {
        return names(Part::backend);
    }

    /**
     * Returns the instruction sets and devices that ran, such as {@code avx2}.
     *
     * @return the one that had most blocks to compute first; "" if no backend has such a choice
     */
    public String isa() {
        return names(Part::isa);
    }

    private String names(Function<Part, String> name) {
        return parts.stream()
                .sorted(Comparator.comparingLong(Part::causalBlocks).reversed())
                .map(name)
                .filter(text -> !text.isEmpty())
                .distinct()
                .collect(Collectors.joining("+"));
    }

    /**
     * Returns the blocks of (query block, key block) that were computed.
     *
     * @return their number over all sequences, query heads and calls
     */
    public long keptBlocks() {
        return count(Part::keptBlocks);
    }

    /**
     * Returns the blocks that dense causal attention would have computed.
     *
     * @return their number over all sequences, query heads and calls
     */
    public long causalBlocks() {
        return count(Part::causalBlocks);
    }

    /**
     * Returns the wall time of scoring and ordering the keys.
     *
     * @return seconds
     */
    public double permuteSeconds() {
        return seconds(Part::permuteSeconds);
    }

    /**
     * Returns the wall time of scoring and choosing the blocks.
     *
     * @return seconds
     */
    public double selectSeconds() {
        return seconds(Part::selectSeconds);
    }

    /**
     * Returns the wall time of the attention over the kept blocks.
     *
     * @return seconds
     */
    public double attendSeconds() {
        return seconds(Part::attendSeconds);
    }

    /**
     * Returns the wall time of the whole calls.
     *
     * @return seconds
     */
    public double totalSeconds() {
        return seconds(Part::totalSeconds);
    }

    private long count(ToLongFunction<Part> blocks) {
        return parts.stream().mapToLong(blocks).sum();
    }

    private double seconds(ToDoubleFunction<Part> time) {
        return parts.stream().mapToDouble(time).sum();
    }

    /**
     * Returns the share of the causal blocks that was computed, whatever backend did it.
     *
     * @return the density, 0 to 1; 1 if there was no block at all
     */
    public double density() {
        long causal = causalBlocks();
        return causal == 0 ? 1 : (double) keptBlocks() / causal;
    }

    /**
     * Adds another report to this one, for the layers of a model or the chunks of a prompt.
     *
     * @param other a report of any backends
     * @return the sums; each backend keeps a part of its own
     */
    public PrefillReport plus(PrefillReport other) {
        List<Part> all = new ArrayList<>(parts);
        all.addAll(other.parts);
        return new PrefillReport(all);
    }
}

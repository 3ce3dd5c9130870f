package io.pbsattn;

/**
 * What one or several attention calls did and how long it took.
 *
 * @param backend the backend's name
 * @param isa the instruction set or device that ran, "" where there is no such choice
 * @param keptBlocks blocks of (query block, key block) that were computed, over all sequences and
 *     query heads
 * @param causalBlocks blocks that dense causal attention would have computed
 * @param permuteSeconds wall time of scoring and ordering the keys
 * @param selectSeconds wall time of scoring and choosing the blocks; on the CPU, where threads
 *     choose blocks when they are about to attend to them, the mean over the threads
 * @param attendSeconds wall time of the attention over the kept blocks, without the former
 * @param totalSeconds wall time of the whole calls
 */
public record PrefillReport(
        String backend,
        String isa,
        long keptBlocks,
        long causalBlocks,
        double permuteSeconds,
        double selectSeconds,
        double attendSeconds,
        double totalSeconds) {

    /**
     * Returns the share of the causal blocks that was computed.
     *
     * @return the density, 0 to 1; 1 if there was no block at all
     */
    public double density() {
        return causalBlocks == 0 ? 1 : (double) keptBlocks / causalBlocks;
    }

    /**
     * Adds another report to this one, for the layers of a model or the chunks of a prompt.
     *
     * @param other a report of the same backend
     * @return the sums
     */
    public PrefillReport plus(PrefillReport other) {
        return new PrefillReport(
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

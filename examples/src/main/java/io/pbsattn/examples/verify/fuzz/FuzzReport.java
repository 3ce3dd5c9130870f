package io.pbsattn.examples.verify.fuzz;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What became of the inputs of a target. */
public final class FuzzReport {

    /** Where an exception was thrown: what it says besides differs from case to case of a fault. */
    private static final Pattern PLACE = Pattern.compile("\\S+ at [\\w.]+:\\d+");

    private final String target;
    private final long runs;
    private final Map<Outcome, Long> counts = new EnumMap<>(Outcome.class);
    private final Map<Outcome, Map<String, Fault>> faults = new EnumMap<>(Outcome.class);

    FuzzReport(String target, long runs) {
        this.target = target;
        this.runs = runs;
    }

    /** The same fault of several inputs, of which the first is shown. */
    private record Fault(long seed, String what, long times) {

        Fault and(Fault other) {
            Fault first = other.seed < seed ? other : this;
            return new Fault(first.seed, first.what, times + other.times);
        }

        String describe() {
            return "seed " + seed + ": " + what + (times > 1 ? " (" + times + " times)" : "");
        }
    }

    synchronized void add(Outcome outcome, long seed, String what) {
        counts.merge(outcome, 1L, Long::sum);
        if (outcome != Outcome.ACCEPTED && outcome != Outcome.REJECTED) {
            Matcher place = PLACE.matcher(what);
            faults.computeIfAbsent(outcome, o -> new TreeMap<>())
                    .merge(
                            place.lookingAt() ? place.group() : what,
                            new Fault(seed, what, 1),
                            Fault::and);
        }
    }

    private synchronized long count(Outcome outcome) {
        return counts.getOrDefault(outcome, 0L);
    }

    private synchronized List<String> faults(Outcome outcome) {
        return faults.getOrDefault(outcome, Map.of()).values().stream()
                .sorted((a, b) -> Long.compare(a.seed, b.seed))
                .map(Fault::describe)
                .toList();
    }

    /**
     * The JSON of a target. Each line of the lists is one fault with the seed of its first input,
     * which {@code --seed SEED --runs 1} tries again.
     *
     * @param rejected inputs that were refused as they should
     * @param accepted inputs that were read
     * @param crashes inputs after which the process died or had no memory or stack
     * @param hangs inputs after which nothing came for ten seconds
     * @param unnamed errors that name no file
     * @param crashed the faults behind crashes
     * @param hung the faults behind hangs
     */
    public record Summary(
            String target,
            long runs,
            long rejected,
            long accepted,
            long crashes,
            long hangs,
            List<String> unnamed,
            List<String> crashed,
            List<String> hung) {

        /** Whether nothing was wrong. */
        public boolean passed() {
            return crashes == 0 && hangs == 0 && unnamed.isEmpty();
        }
    }

    /** Puts the figures together. */
    public Summary summary() {
        return new Summary(
                target,
                runs,
                count(Outcome.REJECTED),
                count(Outcome.ACCEPTED),
                count(Outcome.CRASHED),
                count(Outcome.HUNG),
                faults(Outcome.UNNAMED),
                faults(Outcome.CRASHED),
                faults(Outcome.HUNG));
    }
}

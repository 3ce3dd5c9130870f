package io.pbsattn.zoo.generate;

import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Chooses the next token of one answer from logits: penalties, then the likeliest, or temperature,
 * top-k, top-p and min-p, each of what the one before has left, and chance among the rest. The
 * order and the meaning of each step are those of transformers' logits processors; presence and
 * frequency penalties, which it lacks, are OpenAI's and look at the answer only. Chance comes from
 * {@link SplittableRandom}.
 */
final class Sampler {

    private final SamplingSettings settings;
    private final SplittableRandom random;
    private final Set<Integer> seen = new HashSet<>();
    private final Map<Integer, Integer> counts = new HashMap<>();

    /**
     * Constructs the sampler of an answer.
     *
     * @param settings how to choose
     * @param prompt the ids that the answer follows
     */
    Sampler(SamplingSettings settings, long[] prompt) {
        this.settings = settings;
        random = new SplittableRandom(settings.seed());
        if (settings.repetitionPenalty() != 1) {
            for (long id : prompt) {
                seen.add((int) id);
            }
        }
    }

    /**
     * Chooses the next token, which later choices take into account.
     *
     * @param logits (vocabSize), overwritten
     * @return its id
     * @throws IllegalStateException if no logit is a number that one could choose by
     */
    int next(float[] logits) {
        penalize(logits);
        int likeliest = likeliest(logits);
        int id = settings.doSample() ? candidates(logits, likeliest).choose(random) : likeliest;
        seen.add(id);
        counts.merge(id, 1, Integer::sum);
        return id;
    }

    /** The tokens that may come next and their probabilities; for comparison in tests. */
    Candidates candidates(float[] logits) {
        penalize(logits);
        return candidates(logits, likeliest(logits));
    }

    private void penalize(float[] logits) {
        float repetition = (float) settings.repetitionPenalty();
        if (repetition != 1) {
            for (int id : seen) {
                logits[id] = logits[id] < 0 ? logits[id] * repetition : logits[id] / repetition;
            }
        }
        double presence = settings.presencePenalty();
        double frequency = settings.frequencyPenalty();
        if (presence != 0 || frequency != 0) {
            counts.forEach((id, count) -> logits[id] -= (float) (presence + frequency * count));
        }
    }

    /** The first of the largest logits. */
    private static int likeliest(float[] logits) {
        int best = 0;
        for (int id = 0; id < logits.length; ++id) {
            if (Float.isNaN(logits[id])) {
                throw new IllegalStateException("logits: token " + id + " has NaN");
            }
            best = logits[id] > logits[best] ? id : best;
        }
        if (Float.isInfinite(logits[best])) {
            throw new IllegalStateException("logits: the largest is " + logits[best]);
        }
        return best;
    }

    private Candidates candidates(float[] logits, int likeliest) {
        double max = logits[likeliest];
        float least = settings.topK() == 0 ? Float.NEGATIVE_INFINITY : kthLargest(logits);
        int[] ids = descending(logits, least);
        double[] weights = new double[ids.length];
        double total = 0;
        for (int i = 0; i < ids.length; ++i) {
            weights[i] = Math.exp((logits[ids[i]] - max) / settings.temperature());
            total += weights[i];
        }
        int kept = ids.length;
        if (settings.topP() < 1) {
            // A token stays while those before it have less than the probability; the first always.
            double sum = weights[0];
            for (kept = 1; kept < ids.length && sum < settings.topP() * total; ++kept) {
                sum += weights[kept];
            }
        }
        while (weights[kept - 1] < settings.minP() * weights[0]) {
            --kept;
        }
        return Candidates.of(Arrays.copyOf(ids, kept), Arrays.copyOf(weights, kept));
    }

    /** The top-k-th largest logit; those that equal it stay too, as in transformers. */
    private float kthLargest(float[] logits) {
        int k = Math.min(settings.topK(), logits.length);
        float[] heap = Arrays.copyOf(logits, k);
        for (int i = k / 2 - 1; i >= 0; --i) {
            siftDown(heap, i);
        }
        for (int i = k; i < logits.length; ++i) {
            if (logits[i] > heap[0]) {
                heap[0] = logits[i];
                siftDown(heap, 0);
            }
        }
        return heap[0];
    }

    /** Restores a heap whose smallest value is first. */
    private static void siftDown(float[] heap, int from) {
        float value = heap[from];
        int at = from;
        for (int child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
            if (child + 1 < heap.length && heap[child + 1] < heap[child]) {
                ++child;
            }
            if (value <= heap[child]) {
                break;
            }
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = value;
    }

    /** The ids of the logits from a value on, the largest first, equal ones by id. */
    private static int[] descending(float[] logits, float least) {
        long[] keys = new long[logits.length];
        int count = 0;
        for (int id = 0; id < logits.length; ++id) {
            if (logits[id] >= least && logits[id] != Float.NEGATIVE_INFINITY) {
                // Ordered like the negated float, in the upper half; the id is in the lower.
                int bits = Float.floatToIntBits(-logits[id]);
                int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
                keys[count++] = ((long) ordered << Integer.SIZE) | id;
            }
        }
        Arrays.sort(keys, 0, count);
        int[] ids = new int[count];
        for (int i = 0; i < count; ++i) {
            ids[i] = (int) keys[i];
        }
        return ids;
    }

    /**
     * Tokens that may come next.
     *
     * @param ids the likeliest first
     * @param probabilities of the ids, summing up to 1
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares them
    record Candidates(int[] ids, double[] probabilities) {

        private static Candidates of(int[] ids, double[] weights) {
            double total = Arrays.stream(weights).sum();
            return new Candidates(ids, Arrays.stream(weights).map(w -> w / total).toArray());
        }

        private int choose(SplittableRandom random) {
            double rest = random.nextDouble();
            for (int i = 0; i < ids.length - 1; ++i) {
                rest -= probabilities[i];
                if (rest < 0) {
                    return ids[i];
                }
            }
            return ids[ids.length - 1];
        }
    }
}

package io.pbsattn.zoo.generate;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Answers prompts, so many at a time: those that have begun go on by a token in turn, and where one
 * has ended a waiting one begins. Prompts are prefilled one by one: a single one keeps all cores
 * busy, so that a prefill of several would be no faster.
 */
public final class RollingBatch {

    private RollingBatch() {}

    /**
     * Answers prompts of any lengths.
     *
     * @param generator keeps the caches; what prompts begin with in common is prefilled once
     * @param requests the prompts
     * @param maxBatch the most that are answered at a time
     * @return the answers in the order of the prompts, each of them ended
     * @throws IllegalStateException if a stream of the generator is open
     */
    public static List<Generation> answer(
            TokenGenerator generator, List<TextRequest> requests, int maxBatch) {
        Deque<Integer> waiting = inOrder(requests);
        Generation[] answers = new Generation[requests.size()];
        List<Generation> live = new ArrayList<>();
        generator.begin();
        try {
            while (!waiting.isEmpty() || !live.isEmpty()) {
                while (!waiting.isEmpty() && live.size() < maxBatch) {
                    int n = waiting.remove();
                    TextRequest request = requests.get(n);
                    answers[n] = request.answer(generator.join(request.ids(), request.settings()));
                    live.add(answers[n]);
                    // Once it is prefilled, the next one finds what both begin with.
                    answers[n].skipToken();
                }
                live.removeIf(answer -> !answer.skipToken());
            }
        } finally {
            live.forEach(Generation::close);
            generator.end();
        }
        return List.of(answers);
    }

    /** Sorted, prompts that begin alike follow each other. */
    private static Deque<Integer> inOrder(List<TextRequest> requests) {
        return new ArrayDeque<>(
                IntStream.range(0, requests.size())
                        .boxed()
                        .sorted(Comparator.comparing(n -> requests.get(n).ids(), Arrays::compare))
                        .toList());
    }
}

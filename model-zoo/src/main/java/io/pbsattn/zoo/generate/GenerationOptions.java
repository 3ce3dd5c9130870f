package io.pbsattn.zoo.generate;

import io.pbsattn.util.DjlArguments;
import io.pbsattn.util.NearestName;
import io.pbsattn.zoo.model.PrefillOptions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;

/**
 * How one message is answered. What is not set here is as the model's {@code
 * generation_config.json} says, and else as in transformers: no sampling, temperature 1, {@code
 * top_k} 50, {@code top_p} 1, no {@code min_p}, no penalties.
 *
 * <p>Asking for a temperature, {@code top_k}, {@code top_p} or {@code min_p} asks for sampling;
 * temperature 0 and {@link #optDoSample optDoSample(false)} ask for the likeliest token each time.
 * Logits pass the penalties first (also without sampling), then temperature, {@code top_k}, {@code
 * top_p} and {@code min_p}, each of what the one before has left.
 */
public final class GenerationOptions {

    private static final Map<String, BiConsumer<GenerationOptions, Object>> SETTERS = setters();

    /** The names that {@link #of} knows. */
    public static final Set<String> KEYS = SETTERS.keySet();

    private static final double DEFAULT_TEMPERATURE = 1;
    private static final int DEFAULT_TOP_K = 50;

    private boolean raw;
    private Integer maxNewTokens;
    private PrefillOptions prefill = new PrefillOptions();
    private Boolean doSample;
    private Double temperature;
    private Integer topK;
    private Double topP;
    private Double minP;
    private Double repetitionPenalty;
    private Double presencePenalty;
    private Double frequencyPenalty;
    private Long seed;
    private List<String> stop = List.of();

    /** Constructs the default: by the chat template, as the model's folder says. */
    public GenerationOptions() {}

    /**
     * Reads options from DJL's arguments, or from {@code serving.properties}: {@code
     * max_new_tokens}, {@code do_sample}, {@code temperature}, {@code top_k}, {@code top_p}, {@code
     * min_p}, {@code repetition_penalty}, {@code presence_penalty}, {@code frequency_penalty},
     * {@code seed} and {@code stop}, a string or a collection of strings. Other keys are left
     * alone.
     *
     * @param arguments names to values
     * @return the options
     * @throws IllegalArgumentException naming the key and what was expected; for a key that is like
     *     one of ours, such as {@code temprature}, the nearest name
     */
    public static GenerationOptions of(Map<String, ?> arguments) {
        GenerationOptions options = new GenerationOptions();
        arguments.forEach(
                (key, value) -> {
                    if (!options.set(key, value)) {
                        NearestName.refuseIfLikeOurs(key, KEYS);
                    }
                });
        return options;
    }

    private static Map<String, BiConsumer<GenerationOptions, Object>> setters() {
        Map<String, BiConsumer<GenerationOptions, Object>> setters = new LinkedHashMap<>();
        putInteger(setters, "max_new_tokens", GenerationOptions::optMaxNewTokens);
        setters.put(
                "do_sample", (o, value) -> o.optDoSample(DjlArguments.flag("do_sample", value)));
        putNumber(setters, "temperature", GenerationOptions::optTemperature);
        putInteger(setters, "top_k", GenerationOptions::optTopK);
        putNumber(setters, "top_p", GenerationOptions::optTopP);
        putNumber(setters, "min_p", GenerationOptions::optMinP);
        putNumber(setters, "repetition_penalty", GenerationOptions::optRepetitionPenalty);
        putNumber(setters, "presence_penalty", GenerationOptions::optPresencePenalty);
        putNumber(setters, "frequency_penalty", GenerationOptions::optFrequencyPenalty);
        setters.put(
                "seed",
                (o, value) -> o.optSeed(DjlArguments.wholeNumber("seed", "a whole number", value)));
        setters.put("stop", (o, value) -> o.optStop(strings("stop", value)));
        return Collections.unmodifiableMap(setters);
    }

    private static void putNumber(
            Map<String, BiConsumer<GenerationOptions, Object>> setters,
            String key,
            BiConsumer<GenerationOptions, Double> setter) {
        setters.put(
                key, (o, value) -> setter.accept(o, DjlArguments.number(key, "a number", value)));
    }

    private static void putInteger(
            Map<String, BiConsumer<GenerationOptions, Object>> setters,
            String key,
            BiConsumer<GenerationOptions, Integer> setter) {
        setters.put(
                key,
                (o, value) -> setter.accept(o, DjlArguments.integer(key, "a whole number", value)));
    }

    /**
     * Sets an option by its name.
     *
     * @param value null changes nothing
     * @return false if no option has the name
     */
    boolean set(String key, Object value) {
        BiConsumer<GenerationOptions, Object> setter = SETTERS.get(key);
        if (setter != null && value != null) {
            setter.accept(this, value);
        }
        return setter != null;
    }

    /**
     * Gives the message to the model as it is, without the chat template.
     *
     * @param noTemplate true for no template
     * @return these options
     */
    public GenerationOptions optRaw(boolean noTemplate) {
        raw = noTemplate;
        return this;
    }

    /**
     * Limits the answer.
     *
     * @param tokens the most tokens, at least 1
     * @return these options
     */
    public GenerationOptions optMaxNewTokens(int tokens) {
        require(tokens >= 1, "max_new_tokens", "at least 1", tokens);
        maxNewTokens = tokens;
        return this;
    }

    /**
     * Sets how the prompt is prefilled.
     *
     * @param options chunks and progress; logit positions do not count, the answer begins with
     *     those of the last
     * @return these options
     */
    public GenerationOptions optPrefill(PrefillOptions options) {
        prefill = options;
        return this;
    }

    /**
     * Chooses tokens by chance, by their probability, or always takes the likeliest.
     *
     * @param sample true for chance; false holds whatever else is set
     * @return these options
     */
    public GenerationOptions optDoSample(boolean sample) {
        doSample = sample;
        return this;
    }

    /**
     * Divides the logits: above 1 the choice is more even, below 1 the likely tokens are likelier.
     *
     * @param value at least 0; 0 takes the likeliest token
     * @return these options
     */
    public GenerationOptions optTemperature(double value) {
        require(value >= 0 && value <= Float.MAX_VALUE, "temperature", "a number from 0 on", value);
        temperature = value;
        return this;
    }

    /**
     * Keeps the likeliest tokens only.
     *
     * @param tokens how many; 0 for all
     * @return these options
     */
    public GenerationOptions optTopK(int tokens) {
        require(tokens >= 0, "top_k", "0 or more tokens", tokens);
        topK = tokens;
        return this;
    }

    /**
     * Keeps the likeliest tokens that together have a probability.
     *
     * @param probability 0 to 1; 1 keeps all, and at least one token is kept
     * @return these options
     */
    public GenerationOptions optTopP(double probability) {
        require(probability >= 0 && probability <= 1, "top_p", "0 to 1", probability);
        topP = probability;
        return this;
    }

    /**
     * Keeps the tokens that are not much less likely than the likeliest.
     *
     * @param share 0 to 1, of the probability of the likeliest token; 0 keeps all
     * @return these options
     */
    public GenerationOptions optMinP(double share) {
        require(share >= 0 && share <= 1, "min_p", "0 to 1", share);
        minP = share;
        return this;
    }

    /**
     * Makes the tokens of prompt and answer less likely: their logits are divided by the penalty
     * where they are positive and else multiplied.
     *
     * @param penalty above 0; 1 for none, below 1 favours repetition
     * @return these options
     */
    public GenerationOptions optRepetitionPenalty(double penalty) {
        require(
                penalty > 0 && penalty <= Float.MAX_VALUE,
                "repetition_penalty",
                "a number above 0",
                penalty);
        repetitionPenalty = penalty;
        return this;
    }

    /**
     * Makes the tokens of the answer less likely, by the same amount however often they came.
     *
     * @param penalty is subtracted from their logits, -2 to 2; 0 for none
     * @return these options
     */
    public GenerationOptions optPresencePenalty(double penalty) {
        require(Math.abs(penalty) <= 2, "presence_penalty", "-2 to 2", penalty);
        presencePenalty = penalty;
        return this;
    }

    /**
     * Makes the tokens of the answer less likely, the more often they came.
     *
     * @param penalty times their count is subtracted from their logits, -2 to 2; 0 for none
     * @return these options
     */
    public GenerationOptions optFrequencyPenalty(double penalty) {
        require(Math.abs(penalty) <= 2, "frequency_penalty", "-2 to 2", penalty);
        frequencyPenalty = penalty;
        return this;
    }

    /**
     * Fixes what chance decides: the same prompt, options and seed give the same answer. Without a
     * seed each answer has its own.
     *
     * @param value any number
     * @return these options
     */
    public GenerationOptions optSeed(long value) {
        seed = value;
        return this;
    }

    /**
     * Ends the answer before any of some strings, wherever tokens begin or end.
     *
     * @param strings the strings, none of them empty
     * @return these options
     */
    public GenerationOptions optStop(String... strings) {
        for (String string : strings) {
            require(!string.isEmpty(), "stop", "strings that are not empty", "one that is");
        }
        stop = List.of(strings);
        return this;
    }

    boolean raw() {
        return raw;
    }

    /** The limit of new tokens; null if it was not set. */
    Integer maxNewTokens() {
        return maxNewTokens;
    }

    PrefillOptions prefill() {
        return prefill;
    }

    List<String> stop() {
        return stop;
    }

    /** Whether tokens are chosen by chance, if these options say anything about it; else null. */
    Boolean doSample() {
        if (doSample != null) {
            return doSample;
        }
        boolean shapes = temperature != null || topK != null || topP != null || minP != null;
        return shapes ? Boolean.TRUE : null;
    }

    /** How tokens are chosen where other options stand in for what is not set here. */
    SamplingSettings sampling(GenerationOptions defaults) {
        Boolean sample = or(doSample(), defaults.doSample);
        double heat = or(or(temperature, defaults.temperature), DEFAULT_TEMPERATURE);
        return new SamplingSettings(
                Boolean.TRUE.equals(sample) && heat > 0,
                heat,
                or(or(topK, defaults.topK), DEFAULT_TOP_K),
                or(or(topP, defaults.topP), 1.0),
                or(or(minP, defaults.minP), 0.0),
                or(or(repetitionPenalty, defaults.repetitionPenalty), 1.0),
                or(or(presencePenalty, defaults.presencePenalty), 0.0),
                or(or(frequencyPenalty, defaults.frequencyPenalty), 0.0),
                seed != null ? seed : new SplittableRandom().nextLong());
    }

    private static <T> T or(T value, T other) {
        return value != null ? value : other;
    }

    private static void require(boolean holds, String key, String expected, Object found) {
        if (!holds) {
            throw new IllegalArgumentException(key + ": expected " + expected + ", found " + found);
        }
    }

    private static String[] strings(String key, Object value) {
        if (value instanceof String string) {
            return new String[] {string};
        }
        require(value instanceof Iterable, key, "a string or strings", value);
        List<String> strings = new ArrayList<>();
        for (Object element : (Iterable<?>) value) {
            require(element instanceof String, key, "strings", element);
            strings.add((String) element);
        }
        return strings.toArray(new String[0]);
    }
}

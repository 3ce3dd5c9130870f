package io.pbsattn.zoo.model;

import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.util.List;

/**
 * Reads the rotary position embedding from a configuration: {@code rope_parameters} of transformers
 * 5, or {@code rope_theta} and {@code rope_scaling} of earlier versions. The kinds and their
 * arithmetic are those of transformers' {@code modeling_rope_utils}.
 */
final class RopeReader {

    private static final double DEFAULT_THETA = 10_000;
    private static final int PHI3_ORIGINAL_CONTEXT = 4096;
    private static final String ORIGINAL_CONTEXT = "original_max_position_embeddings";

    private final JsonFile config;
    private final String key;
    private final ModelFamily family;
    private final JsonFile rope;
    private final int maxPositions;
    private final double theta;
    private final int rotaryDim;

    private RopeReader(JsonFile config, ModelFamily family, int headDim)
            throws CheckpointException {
        this.config = config;
        this.family = family;
        // Where both are there, transformers takes the older key.
        key = config.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
        rope = config.has(key) ? config.object(key) : null;
        if (rope != null && rope.holdsObjects()) {
            throw config.wrong(key, "the same parameters for every layer");
        }
        maxPositions = config.positive("max_position_embeddings", family.defaults().maxPositions());
        double outer = config.number("rope_theta", DEFAULT_THETA);
        theta = rope == null ? outer : rope.number("rope_theta", outer);
        if (theta <= 1) {
            throw wrongTheta();
        }
        rotaryDim = rotaryDim(headDim);
    }

    static RopeConfig read(JsonFile config, ModelFamily family, int headDim)
            throws CheckpointException {
        return new RopeReader(config, family, headDim).checked();
    }

    /** No numbers of a configuration may make the model compute NaN. */
    private RopeConfig checked() throws CheckpointException {
        RopeConfig result = read();
        boolean isFinite = Double.isFinite(result.attentionFactor());
        for (int tokens : new int[] {1, result.maxTokens()}) {
            for (float frequency : result.inverseFrequencies(tokens)) {
                isFinite = isFinite && Float.isFinite(frequency);
            }
        }
        if (!isFinite) {
            throw config.wrong(key, "numbers that give finite frequencies");
        }
        return result;
    }

    private RopeConfig read() throws CheckpointException {
        String typeKey = rope == null || rope.has("rope_type") ? "rope_type" : "type";
        String type = rope == null || !rope.has(typeKey) ? "default" : rope.string(typeKey);
        if (family.namesLongropeOtherwise() && ("su".equals(type) || "yarn".equals(type))) {
            type = "longrope";
        }
        return switch (type) {
            case "default" -> RopeConfig.fixed(plain(theta), 1, maxPositions);
            case "linear" -> linear();
            case "dynamic" -> dynamic();
            case "llama3" -> llama3();
            case "yarn" -> yarn();
            case "longrope" -> longrope();
            default ->
                    throw rope.wrong(typeKey, "default, linear, dynamic, llama3, yarn or longrope");
        };
    }

    private RopeConfig linear() throws CheckpointException {
        double factor = factor();
        float[] frequencies = plain(theta);
        for (int i = 0; i < frequencies.length; ++i) {
            frequencies[i] = (float) (frequencies[i] / factor);
        }
        return RopeConfig.fixed(frequencies, 1, stretched(maxPositions, factor));
    }

    private RopeConfig dynamic() throws CheckpointException {
        double factor = factor();
        if (rotaryDim == 2) {
            throw rope.wrong("rope_type", "another kind for heads of which one pair rotates");
        }
        double exponent = (double) rotaryDim / (rotaryDim - 2);
        return RopeConfig.dynamic(
                maxPositions,
                tokens ->
                        plain(
                                theta
                                        * Math.pow(
                                                factor * tokens / maxPositions - (factor - 1),
                                                exponent)),
                stretched(maxPositions, factor));
    }

    /** Short waves stay, long waves are stretched, and those between are blended. */
    private RopeConfig llama3() throws CheckpointException {
        double factor = factor();
        double low = rope.number("low_freq_factor");
        double high = rope.number("high_freq_factor");
        double original = originalContext();
        float[] frequencies = plain(theta);
        for (int i = 0; i < frequencies.length; ++i) {
            double frequency = frequencies[i];
            double waveLength = 2 * Math.PI / frequency;
            if (waveLength > original / low) {
                frequencies[i] = (float) (frequency / factor);
            } else if (waveLength >= original / high) {
                double smooth = (original / waveLength - low) / (high - low);
                frequencies[i] = (float) ((1 - smooth) * frequency / factor + smooth * frequency);
            }
        }
        return RopeConfig.fixed(frequencies, 1, maxPositions);
    }

    /**
     * Pairs that rotate often in the original context stay, those that rotate seldom are stretched,
     * and those between are blended.
     */
    private RopeConfig yarn() throws CheckpointException {
        double original = originalContext();
        double factor = rope.has("factor") ? factor() : maxPositions / original;
        double low = pairThatRotates(orDefault("beta_fast", 32), original);
        double high = pairThatRotates(orDefault("beta_slow", 1), original);
        if (rope.flag("truncate", true)) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        high = Math.min(high, rotaryDim - 1.0);
        if (low == high) {
            high += 0.001;
        }
        float[] frequencies = plain(theta);
        for (int i = 0; i < frequencies.length; ++i) {
            double stretch = Math.min(1, Math.max(0, (i - low) / (high - low)));
            frequencies[i] =
                    (float) (frequencies[i] / factor * stretch + frequencies[i] * (1 - stretch));
        }
        int maxTokens = Math.max(maxPositions, stretched(original, factor));
        return RopeConfig.fixed(frequencies, yarnAttentionFactor(factor), maxTokens);
    }

    /** The pair, as a fraction of an index, that rotates so often in a context. */
    private double pairThatRotates(double rotations, double context) {
        return rotaryDim * Math.log(context / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
    }

    private double yarnAttentionFactor(double factor) throws CheckpointException {
        if (rope.has("attention_factor")) {
            return rope.number("attention_factor");
        }
        double scale = rope.number("mscale", 0);
        double scaleAllDim = rope.number("mscale_all_dim", 0);
        return scale != 0 && scaleAllDim != 0
                ? yarnScale(factor, scale) / yarnScale(factor, scaleAllDim)
                : yarnScale(factor, 1);
    }

    private static double yarnScale(double factor, double scale) {
        return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
    }

    /** Each pair has a factor of its own, one for short and one for long sequences. */
    private RopeConfig longrope() throws CheckpointException {
        int original = (int) originalContext();
        double factor = rope.has("factor") ? factor() : (double) maxPositions / original;
        double attentionFactor =
                factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
        return RopeConfig.twoTables(
                divided("short_factor"),
                original,
                divided("long_factor"),
                rope.number("attention_factor", attentionFactor),
                maxPositions);
    }

    private float[] divided(String key) throws CheckpointException {
        List<Double> factors = rope.numbers(key);
        if (factors.size() != rotaryDim / 2) {
            throw rope.wrong(key, rotaryDim / 2 + " numbers, one for each pair of a head");
        }
        float[] frequencies = new float[rotaryDim / 2];
        for (int i = 0; i < frequencies.length; ++i) {
            frequencies[i] = 1 / (factors.get(i).floatValue() * power(theta, i));
        }
        return frequencies;
    }

    /** The frequencies of a base, in float32 step by step as in transformers. */
    private float[] plain(double base) {
        float[] frequencies = new float[rotaryDim / 2];
        for (int i = 0; i < frequencies.length; ++i) {
            frequencies[i] = 1 / power(base, i);
        }
        return frequencies;
    }

    private float power(double base, int pair) {
        return (float) Math.pow((float) base, 2.0f * pair / rotaryDim);
    }

    private int rotaryDim(int headDim) throws CheckpointException {
        String key = "partial_rotary_factor";
        JsonFile holder = rope != null && rope.has(key) ? rope : config;
        double part = holder.number(key, 1);
        if (part == 1) {
            return headDim;
        }
        int rotated = (int) (headDim * part);
        if (!family.hasPartialRotary()) {
            throw holder.wrong(key, "1, as all of a head rotates in models of type " + family);
        }
        if (part <= 0 || part > 1 || rotated < 2 || rotated % 2 != 0) {
            throw holder.wrong(key, "a part of head_dim " + headDim + " that is an even number");
        }
        return rotated;
    }

    /** Where the configuration itself says it, that counts, as for Phi-3. */
    private double originalContext() throws CheckpointException {
        if (config.has(ORIGINAL_CONTEXT)) {
            return config.positive(ORIGINAL_CONTEXT);
        }
        if (family == ModelFamily.PHI3) {
            return PHI3_ORIGINAL_CONTEXT;
        }
        return rope.positive(ORIGINAL_CONTEXT, maxPositions);
    }

    private double factor() throws CheckpointException {
        double factor = rope.number("factor");
        if (factor <= 0) {
            throw rope.wrong("factor", "a positive number");
        }
        return factor;
    }

    /** As in transformers, 0 stands for the default too. */
    private double orDefault(String key, double missing) throws CheckpointException {
        double value = rope.number(key, missing);
        return value == 0 ? missing : value;
    }

    private static int stretched(double tokens, double factor) {
        return (int) Math.min(Integer.MAX_VALUE, Math.max(tokens, tokens * factor));
    }

    private CheckpointException wrongTheta() {
        JsonFile holder = rope != null && rope.has("rope_theta") ? rope : config;
        return holder.wrong("rope_theta", "a number above 1");
    }
}

package io.pbsattn.zoo;

/**
 * Rotary position embedding: how fast each pair of a head's elements turns with the position.
 *
 * @param kind how the frequencies are stretched for long contexts
 * @param theta base of the frequencies
 * @param factor how far the context is stretched; 1 for {@link Kind#DEFAULT}
 * @param lowFreqFactor {@link Kind#LLAMA3}: original context over the longest wave that is partly
 *     stretched
 * @param highFreqFactor {@link Kind#LLAMA3}: original context over the longest wave that is not
 *     stretched
 * @param originalContext {@link Kind#LLAMA3}: positions that the model was first trained on
 */
record RopeConfig(
        Kind kind,
        double theta,
        double factor,
        double lowFreqFactor,
        double highFreqFactor,
        double originalContext) {

    /** The kinds that transformers calls default, linear and llama3. */
    enum Kind {
        DEFAULT,
        LINEAR,
        LLAMA3
    }

    /**
     * Reads {@code rope_parameters} of transformers 5, or {@code rope_theta} and {@code
     * rope_scaling} of earlier versions.
     */
    static RopeConfig read(JsonFile config) throws CheckpointException {
        String key = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        double theta = config.number("rope_theta", 10_000);
        if (!config.has(key)) {
            return new RopeConfig(Kind.DEFAULT, theta, 1, 1, 1, 1);
        }
        JsonFile rope = config.object(key);
        theta = rope.number("rope_theta", theta);
        String typeKey = rope.has("rope_type") ? "rope_type" : "type";
        return switch (rope.string(typeKey)) {
            case "default" -> new RopeConfig(Kind.DEFAULT, theta, 1, 1, 1, 1);
            case "linear" -> new RopeConfig(Kind.LINEAR, theta, rope.number("factor"), 1, 1, 1);
            case "llama3" ->
                    new RopeConfig(
                            Kind.LLAMA3,
                            theta,
                            rope.number("factor"),
                            rope.number("low_freq_factor"),
                            rope.number("high_freq_factor"),
                            rope.number("original_max_position_embeddings"));
            default -> throw rope.wrong(typeKey, "default, linear or llama3");
        };
    }

    /**
     * Returns the angle by which each pair turns from one position to the next.
     *
     * @param headDim elements of a head, an even number
     * @return (headDim / 2) radians, rounded to float32 as in transformers
     */
    float[] inverseFrequencies(int headDim) {
        float[] frequencies = new float[headDim / 2];
        for (int i = 0; i < frequencies.length; ++i) {
            float plain = (float) (1 / Math.pow(theta, 2.0 * i / headDim));
            frequencies[i] =
                    switch (kind) {
                        case DEFAULT -> plain;
                        case LINEAR -> (float) (plain / factor);
                        case LLAMA3 -> (float) llama3(plain);
                    };
        }
        return frequencies;
    }

    /** Short waves stay, long waves are stretched, and those between are blended. */
    private double llama3(double frequency) {
        double waveLength = 2 * Math.PI / frequency;
        if (waveLength < originalContext / highFreqFactor) {
            return frequency;
        }
        if (waveLength > originalContext / lowFreqFactor) {
            return frequency / factor;
        }
        double smooth =
                (originalContext / waveLength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
        return (1 - smooth) * frequency / factor + smooth * frequency;
    }
}

package io.pbsattn.zoo;

/** How one message is answered. */
public final class GenerationOptions {

    private boolean raw;
    private int maxNewTokens;
    private PrefillOptions prefill = new PrefillOptions();

    /** Constructs the default: by the chat template, as long as the model's folder says. */
    public GenerationOptions() {}

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
        if (tokens < 1) {
            throw new IllegalArgumentException(
                    "maxNewTokens: expected at least 1, found " + tokens);
        }
        maxNewTokens = tokens;
        return this;
    }

    /**
     * Sets how the prompt is prefilled.
     *
     * @param options chunks and progress
     * @return these options
     */
    public GenerationOptions optPrefill(PrefillOptions options) {
        prefill = options;
        return this;
    }

    boolean raw() {
        return raw;
    }

    int maxNewTokens(GenerationConfig config) {
        return maxNewTokens == 0 ? config.maxNewTokens() : maxNewTokens;
    }

    PrefillOptions prefill() {
        return prefill;
    }
}

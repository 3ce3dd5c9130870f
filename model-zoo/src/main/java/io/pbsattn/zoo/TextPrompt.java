package io.pbsattn.zoo;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;

/**
 * The ids of a prompt and how they are to be answered in text. The text translators hand it to
 * {@link CausalLm}, which sees to it that tokens are generated only as long as the text goes on.
 */
final class TextPrompt extends NDList {

    private static final long serialVersionUID = 1L;

    private final transient GenerationOptions options;
    private final transient Detokenizer detokenizer;
    private transient Generation generation;

    /**
     * Constructs a prompt.
     *
     * @param manager will own what its generation needs
     * @param ids of the prompt
     */
    TextPrompt(NDManager manager, long[] ids, GenerationOptions options, Detokenizer detokenizer) {
        super(manager.create(ids, new Shape(1, ids.length)));
        this.options = options;
        this.detokenizer = detokenizer;
    }

    /** Begins the answer; the work is done as it is read. */
    Generation start(CausalLm model) {
        TokenStream tokens =
                TokenGenerator.once(model, getManager(), singletonOrThrow().toLongArray(), options);
        generation = new Generation(tokens, detokenizer, options.stop());
        return generation;
    }

    /** The answer, once the model has begun it. */
    Generation generation() {
        return generation;
    }
}

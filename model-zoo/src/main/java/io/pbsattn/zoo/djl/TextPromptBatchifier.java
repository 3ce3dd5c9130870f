package io.pbsattn.zoo.djl;

import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;

/**
 * The prompts of a call are a batch already: {@link TextGenerationTranslator} makes it, since it
 * has to know which outputs belong to which prompts.
 */
final class TextPromptBatchifier implements Batchifier {

    private static final long serialVersionUID = 1L;

    /** {@inheritDoc} */
    @Override
    public NDList batchify(NDList[] inputs) {
        if (inputs.length != 1) {
            throw new UnsupportedOperationException(
                    "inputs: expected the prompts of one call, found those of " + inputs.length);
        }
        return inputs[0];
    }

    /** {@inheritDoc} */
    @Override
    public NDList[] unbatchify(NDList inputs) {
        return inputs.stream().map(NDList::new).toArray(NDList[]::new);
    }
}

package io.pbsattn.zoo;

import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;
import java.util.Arrays;
import java.util.List;

/** Puts prompts of different lengths side by side; nothing is padded. */
final class TextPromptBatchifier implements Batchifier {

    private static final long serialVersionUID = 1L;

    /** {@inheritDoc} */
    @Override
    public NDList batchify(NDList[] inputs) {
        if (inputs.length == 1) {
            return inputs[0];
        }
        List<TextRequest> requests =
                Arrays.stream(inputs)
                        .flatMap(input -> ((TextPrompts) input).requests().stream())
                        .toList();
        return new TextPrompts(inputs[0].getManager(), requests);
    }

    /** {@inheritDoc} */
    @Override
    public NDList[] unbatchify(NDList inputs) {
        return inputs.stream().map(NDList::new).toArray(NDList[]::new);
    }
}

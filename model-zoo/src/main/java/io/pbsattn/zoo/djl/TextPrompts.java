package io.pbsattn.zoo.djl;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.RollingBatch;
import io.pbsattn.zoo.generate.TextRequest;
import io.pbsattn.zoo.generate.TokenGenerator;
import io.pbsattn.zoo.generate.TokenStream;
import io.pbsattn.zoo.model.CausalLm;
import java.util.List;

/**
 * Prompts, ids (1, tokens) of each, that are to be answered in text. The text translators hand them
 * to {@link CausalLm}, which sees to it that tokens are generated only as long as the text goes on.
 */
final class TextPrompts extends NDList {

    private static final long serialVersionUID = 1L;

    private final transient List<TextRequest> requests;
    private transient List<Generation> answers = List.of();

    /**
     * Constructs prompts.
     *
     * @param manager will own what their answers need
     */
    TextPrompts(NDManager manager, List<TextRequest> requests) {
        for (TextRequest request : requests) {
            add(manager.create(request.ids(), new Shape(1, request.ids().length)));
        }
        this.requests = requests;
    }

    /** Begins the answer of a single prompt; the work is done as it is read. */
    Generation start(CausalLm model) {
        singletonOrThrow();
        TextRequest request = requests.get(0);
        TokenStream tokens =
                TokenGenerator.once(model, getManager(), request.ids(), request.settings());
        answers = List.of(request.answer(tokens));
        return answers.get(0);
    }

    /** Answers all prompts and gives the ids (1, tokens) of each answer. */
    NDList answer(CausalLm model) {
        if (size() == 1) {
            try (Generation answer = start(model)) {
                answer.result();
            }
        } else {
            try (TokenGenerator generator = new TokenGenerator(model, getManager())) {
                answers = RollingBatch.answer(generator, requests, model.maxBatch());
            }
        }
        NDList ids = new NDList();
        for (Generation answer : answers) {
            long[] tokens = answer.tokens().rest();
            ids.add(getManager().create(tokens, new Shape(1, tokens.length)));
        }
        return ids;
    }

    /** The answers in the order of the prompts, once the model has begun them. */
    List<Generation> answers() {
        return answers;
    }
}

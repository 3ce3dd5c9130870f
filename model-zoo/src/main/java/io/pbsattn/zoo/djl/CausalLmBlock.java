package io.pbsattn.zoo.djl;

import ai.djl.Device;
import ai.djl.inference.streaming.StreamingBlock;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.zoo.generate.GenerationConfig;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationSettings;
import io.pbsattn.zoo.generate.TokenGenerator;
import io.pbsattn.zoo.generate.TokenStream;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.PrefillOptions;
import io.pbsattn.zoo.model.PrefillResult;
import java.util.Iterator;
import java.util.stream.Stream;

/**
 * A {@link CausalLm} as DJL sees it. It takes input ids (batch, tokens) int64 and gives the logits
 * of the last position (batch, vocabSize). With a second input, the number of tokens to generate (a
 * scalar), it gives the generated ids (1, generated) instead, and as a streaming block one by one,
 * chosen as the model's {@code generation_config.json} says.
 */
public final class CausalLmBlock extends AbstractBlock implements StreamingBlock {

    private static final byte VERSION = 1;

    private final CausalLm model;
    private final GenerationConfig generationConfig;

    /**
     * Constructs the block.
     *
     * @param model does the work
     * @param generationConfig what the model's folder says about generation
     */
    public CausalLmBlock(CausalLm model, GenerationConfig generationConfig) {
        super(VERSION);
        this.model = model;
        this.generationConfig = generationConfig;
    }

    /**
     * Returns the model behind the block.
     *
     * @return the model
     */
    public CausalLm model() {
        return model;
    }

    /**
     * Returns what the model's folder says about generation.
     *
     * @return the configuration
     */
    public GenerationConfig generationConfig() {
        return generationConfig;
    }

    /** {@inheritDoc} */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        if (training) {
            throw new UnsupportedOperationException(
                    "a decoder model has no gradients: inference only");
        }
        if (inputs instanceof TextPrompts prompts) {
            return prompts.answer(model);
        }
        NDArray ids = inputs.get(0);
        NDManager manager = ids.getManager();
        if (inputs.size() > 1) {
            try (TokenStream tokens = answer(inputs)) {
                long[] answer = tokens.rest();
                return new NDList(manager.create(answer, new Shape(1, answer.length)));
            }
        }
        int tokens = CausalLm.checkedLength(ids);
        int batch = Math.toIntExact(ids.getShape().get(0));
        // Nobody else knows this manager, so nobody closes what it owns under the prefill.
        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch");
                KvCache cache = model.newCache(scope, batch, tokens)) {
            NDArray held = LibTorch.get().hold(scope, ids);
            PrefillResult result = model.prefill(held, cache, new PrefillOptions());
            NDArray logits = result.logits().squeeze(1);
            LibTorch.handOver(logits, manager);
            return new NDList(logits);
        }
    }

    /**
     * {@inheritDoc}
     *
     * <p>Each list holds one generated id (1, 1), computed when it is asked for.
     */
    @Override
    public Iterator<NDList> forwardStreamIter(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        return forwardStream(parameterStore, inputs, training, params).iterator();
    }

    /**
     * {@inheritDoc}
     *
     * <p>Each list holds one generated id (1, 1), computed when it is asked for; closing the stream
     * ends the generation.
     */
    @Override
    public Stream<NDList> forwardStream(
            ParameterStore parameterStore,
            NDList inputs,
            boolean training,
            PairList<String, Object> params) {
        return answer(inputs).lists(inputs.getManager());
    }

    /** Begins to continue a prompt of ids (1, tokens). */
    private TokenStream answer(NDList inputs) {
        if (inputs instanceof TextPrompts prompts) {
            return prompts.start(model).tokens();
        }
        NDArray ids = inputs.get(0);
        CausalLm.checkedLength(ids);
        if (ids.getShape().get(0) != 1) {
            throw new IllegalArgumentException(
                    "inputIds: one sequence is continued at a time, found " + ids.getShape());
        }
        GenerationOptions options = new GenerationOptions();
        if (inputs.size() > 1) {
            options.optMaxNewTokens(Math.toIntExact(inputs.get(1).toLongArray()[0]));
        }
        long[] prompt = ids.toLongArray();
        return TokenGenerator.once(
                model,
                ids.getManager(),
                prompt,
                GenerationSettings.of(model, generationConfig, prompt, options));
    }

    /** {@inheritDoc} */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return new Shape[] {new Shape(inputShapes[0].get(0), model.vocabSize())};
    }
}

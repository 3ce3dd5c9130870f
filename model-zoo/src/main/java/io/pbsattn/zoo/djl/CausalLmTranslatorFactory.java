package io.pbsattn.zoo.djl;

import ai.djl.Model;
import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.NDList;
import ai.djl.translate.NoopTranslator;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorFactory;
import ai.djl.util.Pair;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.model.CausalLm;
import java.io.IOException;
import java.io.Serializable;
import java.lang.reflect.Type;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;

/**
 * The ways to use a {@link CausalLm} in DJL:
 *
 * <ul>
 *   <li>{@code String} to {@code String} answers a message
 *   <li>{@code String} to {@link GenerationResult} says besides what the answer took
 *   <li>{@code String} to {@link Generation}, or to {@code Iterator}, gives the pieces of the
 *       answer as they are generated, by {@code Predictor.streamingPredict(message)
 *       .getIterativeOutput()}; by {@code predict} it gives the whole answer as one piece
 *   <li>{@code Input} to {@code Output}, as in DJL Serving, takes text, or JSON like {@code
 *       {"inputs": "...", "parameters": {"temperature": 0.7}}} and then answers {@code
 *       {"generated_text": "..."}}
 *   <li>{@code NDList} to {@code NDList} gives logits for ids
 * </ul>
 *
 * <p>The arguments of {@link GenerationOptions#of} say how messages are answered. By {@code
 * batchPredict} messages of any lengths are decoded together, up to {@link CausalLm#maxBatch} at a
 * time; each answer is what {@code predict} gives. A message that cannot be answered makes the call
 * fail before any is answered. Only to {@code Output}, where the others of a batch may be somebody
 * else's, it is refused by itself: its output has the code 400 and says why, and they are answered.
 */
public class CausalLmTranslatorFactory implements TranslatorFactory, Serializable {

    private static final long serialVersionUID = 1L;

    /** Constructs the factory. */
    public CausalLmTranslatorFactory() {}

    /** {@inheritDoc} */
    @Override
    public Set<Pair<Type, Type>> getSupportedTypes() {
        return Set.of(
                new Pair<>(String.class, String.class),
                new Pair<>(String.class, GenerationResult.class),
                new Pair<>(String.class, Generation.class),
                new Pair<>(String.class, Iterator.class),
                new Pair<>(Input.class, Output.class),
                new Pair<>(NDList.class, NDList.class));
    }

    /** {@inheritDoc} */
    @Override
    @SuppressWarnings("unchecked")
    public <I, O> Translator<I, O> newInstance(
            Class<I> input, Class<O> output, Model model, Map<String, ?> arguments)
            throws TranslateException {
        Pair<Type, Type> types = new Pair<>(input, output);
        if (!getSupportedTypes().contains(types)) {
            throw new TranslateException(
                    "expected String to String, GenerationResult, Generation or Iterator, Input to"
                            + " Output, or NDList to NDList; found "
                            + input.getName()
                            + " to "
                            + output.getName());
        }
        try {
            return (Translator<I, O>)
                    translator(
                            output,
                            model,
                            ServingProperties.addTo(arguments, model.getModelPath()));
        } catch (IOException | CheckpointException | IllegalArgumentException e) {
            throw new TranslateException(e.getMessage(), e);
        }
    }

    private static Translator<?, ?> translator(
            Class<?> output, Model model, Map<String, ?> arguments)
            throws IOException, CheckpointException {
        if (output == NDList.class) {
            return new NoopTranslator();
        }
        if (output == Output.class) {
            return new ServingTextTranslator(model, arguments);
        }
        if (output == String.class) {
            return new TextGenerationTranslator.OfString<>(
                    model, arguments, (answer, hasEnded) -> answer.result().text());
        }
        if (output == GenerationResult.class) {
            return new TextGenerationTranslator.OfString<>(
                    model, arguments, (answer, hasEnded) -> answer.result());
        }
        return new TextGenerationTranslator.OfString<>(
                model, arguments, (answer, hasEnded) -> hasEnded ? answer.again() : answer);
    }
}

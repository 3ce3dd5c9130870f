package io.pbsattn.zoo;

import ai.djl.Model;
import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.NDList;
import ai.djl.translate.NoopTranslator;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorFactory;
import ai.djl.util.Pair;
import java.io.IOException;
import java.io.Serializable;
import java.lang.reflect.Type;
import java.util.Map;
import java.util.Set;

/**
 * The ways to use a {@link CausalLm} in DJL: {@code String} to {@code String} answers a message,
 * {@code NDList} to {@code NDList} gives logits for ids, {@code Input} to {@code Output} serves DJL
 * Serving. The argument {@code max_new_tokens} limits the answers.
 */
public final class CausalLmTranslatorFactory implements TranslatorFactory, Serializable {

    private static final long serialVersionUID = 1L;

    /** {@inheritDoc} */
    @Override
    public Set<Pair<Type, Type>> getSupportedTypes() {
        return Set.of(
                new Pair<>(String.class, String.class),
                new Pair<>(NDList.class, NDList.class),
                new Pair<>(Input.class, Output.class));
    }

    /** {@inheritDoc} */
    @Override
    @SuppressWarnings("unchecked")
    public <I, O> Translator<I, O> newInstance(
            Class<I> input, Class<O> output, Model model, Map<String, ?> arguments)
            throws TranslateException {
        if (input == NDList.class && output == NDList.class) {
            return (Translator<I, O>) new NoopTranslator();
        }
        boolean isServing = input == Input.class && output == Output.class;
        if (!isServing && (input != String.class || output != String.class)) {
            throw new TranslateException(
                    "expected String to String, NDList to NDList or Input to Output, found "
                            + input.getName()
                            + " to "
                            + output.getName());
        }
        try {
            Translator<String, String> text =
                    TextGenerationTranslator.open(
                            model, ServingProperties.addTo(arguments, model.getModelPath()));
            return (Translator<I, O>) (isServing ? new ServingTextTranslator(text) : text);
        } catch (IOException | CheckpointException e) {
            throw new TranslateException(e.getMessage(), e);
        }
    }
}

package io.pbsattn.zoo;

import ai.djl.Model;
import ai.djl.inference.streaming.StreamingTranslator;
import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;
import ai.djl.translate.TranslateException;
import ai.djl.translate.TranslatorContext;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Turns a message into ids by the chat template, and the ids that {@link CausalLm} generates into
 * text: whole by {@code predict}, piece by piece by {@code streamingPredict}; the prompts of {@code
 * batchPredict} are decoded together.
 *
 * @param <I> the input, which has a message
 * @param <O> the output, which is made from an answer
 */
abstract class TextGenerationTranslator<I, O> implements StreamingTranslator<I, O> {

    private static final String BATCH = "batch";

    private final PromptEncoder encoder;
    private final Detokenizer detokenizer;

    /** Opens the tokenizer and the chat template of a model's folder; the model will own them. */
    TextGenerationTranslator(Model model) throws IOException, CheckpointException {
        Path folder = model.getModelPath();
        encoder = PromptEncoder.open(folder);
        // Nobody closes a translator; without the model it is of no use.
        model.getNDManager().attachUncappedInternal(UUID.randomUUID().toString(), encoder);
        detokenizer = TextGenerator.openDetokenizer(encoder, folder);
    }

    /** What the input asks. */
    abstract String message(I input) throws TranslateException;

    /** How the input is to be answered. */
    abstract GenerationOptions options(I input) throws TranslateException;

    /** The output of an answer that has ended. */
    abstract O whole(I input, Generation answer);

    /**
     * The output of an answer that is still to come; reading it to its end releases what it holds.
     */
    abstract O streamed(I input, Generation answer);

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, I input) throws TranslateException {
        return batch(ctx, List.of(input), List.of(request(input)));
    }

    /** {@inheritDoc} */
    @Override
    public NDList batchProcessInput(TranslatorContext ctx, List<I> inputs)
            throws TranslateException {
        if (inputs.size() == 1) {
            return processInput(ctx, inputs.get(0));
        }
        List<TextRequest> requests = new ArrayList<>();
        for (I input : inputs) {
            try {
                requests.add(request(input));
            } catch (TranslateException | IllegalArgumentException e) {
                throw new TranslateException(
                        "message " + requests.size() + ": " + e.getMessage(), e);
            }
        }
        return batch(ctx, inputs, requests);
    }

    private TextRequest request(I input) throws TranslateException {
        List<ChatMessage> messages = List.of(ChatMessage.user(message(input)));
        return new TextRequest(
                encoder.encode(messages, new ChatTemplateOptions()), options(input), detokenizer);
    }

    private NDList batch(TranslatorContext ctx, List<I> inputs, List<TextRequest> requests) {
        TextPrompts prompts = new TextPrompts(ctx.getNDManager(), requests);
        ctx.setAttachment(BATCH, new Batch<>(inputs, prompts));
        return prompts;
    }

    /** {@inheritDoc} */
    @Override
    public O processOutput(TranslatorContext ctx, NDList list) {
        return batchProcessOutput(ctx, list).get(0);
    }

    /** {@inheritDoc} */
    @Override
    public List<O> batchProcessOutput(TranslatorContext ctx, NDList list) {
        Batch<I> batch = batch(ctx);
        List<O> outputs = new ArrayList<>();
        for (Generation answer : batch.prompts().answers()) {
            outputs.add(whole(batch.inputs().get(outputs.size()), answer));
        }
        return outputs;
    }

    /** {@inheritDoc} */
    @Override
    public StreamOutput<O> processStreamOutput(TranslatorContext ctx, Stream<NDList> list) {
        Batch<I> batch = batch(ctx);
        Generation answer = batch.prompts().answers().get(0);
        answer.whenClosed(list::close);
        return new StreamOutput<>() {

            @Override
            public O getIterativeOutputInternal() {
                return streamed(batch.inputs().get(0), answer);
            }

            @Override
            protected O buildAsyncOutput() {
                throw new UnsupportedOperationException(
                        "streaming is iterative: getIterativeOutput() computes as it is read");
            }

            @Override
            protected void computeAsyncOutputInternal(O output) {
                throw new UnsupportedOperationException("streaming is iterative");
            }
        };
    }

    /** {@inheritDoc} */
    @Override
    public Support getSupport() {
        return Support.ITERATIVE;
    }

    /** {@inheritDoc} */
    @Override
    public Batchifier getBatchifier() {
        return new TextPromptBatchifier();
    }

    @SuppressWarnings("unchecked")
    private Batch<I> batch(TranslatorContext ctx) {
        return (Batch<I>) ctx.getAttachment(BATCH);
    }

    /** What belongs together between the two halves of a translation. */
    private record Batch<I>(List<I> inputs, TextPrompts prompts) {}

    /** A message as a string; the options are those that the model was loaded with. */
    static final class OfString<O> extends TextGenerationTranslator<String, O> {

        private final GenerationOptions options;
        private final Form<O> form;

        OfString(Model model, Map<String, ?> arguments, Form<O> form)
                throws IOException, CheckpointException {
            super(model);
            options = GenerationOptions.of(arguments);
            this.form = form;
        }

        /** {@inheritDoc} */
        @Override
        String message(String input) {
            return input;
        }

        /** {@inheritDoc} */
        @Override
        GenerationOptions options(String input) {
            return options;
        }

        /** {@inheritDoc} */
        @Override
        O whole(String input, Generation answer) {
            return form.of(answer, true);
        }

        /** {@inheritDoc} */
        @Override
        O streamed(String input, Generation answer) {
            return form.of(answer, false);
        }
    }

    /** Makes an output from an answer that has ended, or is still to come. */
    interface Form<O> {
        O of(Generation answer, boolean hasEnded);
    }
}

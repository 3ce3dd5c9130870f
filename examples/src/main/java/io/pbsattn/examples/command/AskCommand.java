package io.pbsattn.examples.command;

import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.examples.model.TextDocument;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.LoadOptions;
import io.pbsattn.examples.option.SamplingOptions;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Answers questions over a document. */
@Command(
        name = "ask",
        description = "Answer questions over a document.",
        mixinStandardHelpOptions = true)
public final class AskCommand implements Callable<Integer> {

    @Mixin private LoadOptions loading;

    @Option(names = "--document", required = true, description = "A text file in UTF-8.")
    private Path document;

    @Option(
            names = "--question",
            required = true,
            description = "A question; may be given several times.")
    private List<String> questions;

    @Option(
            names = "--context",
            description =
                    "The most tokens of document and answer; default: what they need, at most the"
                            + " model's own limit.")
    private Integer context;

    @Option(names = "--raw", description = "Use no chat template.")
    private boolean raw;

    @Mixin private SamplingOptions sampling;

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        GenerationOptions options = sampling.get().optRaw(raw);
        loading.checkContext(context);
        String text = TextDocument.read(document).strip();
        List<Answer> answers = new ArrayList<>();
        StringBuilder shown = new StringBuilder();
        try (LoadedModel loaded = loading.open(loading.folder(), loading.attention(), context)) {
            for (String question : questions) {
                GenerationResult result =
                        loaded.generate(
                                text + TextDocument.QUESTION + question, options, "reading");
                answers.add(Answer.of(question, result));
                shown.append(describe(question, result));
            }
            json.print(
                    new Result(
                            loading.attention(),
                            loaded.backend(),
                            loaded.dtype(),
                            loaded.countTokens(text),
                            answers),
                    shown.toString().stripTrailing());
        }
        return 0;
    }

    private static String describe(String question, GenerationResult result) {
        return String.format(
                "%s%n  %s%n  %d tokens, %d of them reused; prefill %.2f s, density %.2f%n",
                question,
                result.text().strip(),
                result.promptTokens(),
                result.reusedTokens(),
                result.prefillSeconds(),
                result.report().density());
    }

    /** The JSON of the command. */
    private record Result(
            String attention,
            String backend,
            String dtype,
            int documentTokens,
            List<Answer> answers) {}

    /** The JSON of one answer. */
    private record Answer(
            String question,
            String answer,
            int promptTokens,
            int reusedTokens,
            double prefillSeconds,
            int decodeTokens,
            double decodeSeconds,
            double density) {

        static Answer of(String question, GenerationResult result) {
            return new Answer(
                    question,
                    result.text().strip(),
                    result.promptTokens(),
                    result.reusedTokens(),
                    result.prefillSeconds(),
                    result.decodeTokens(),
                    result.decodeSeconds(),
                    result.report().density());
        }
    }
}

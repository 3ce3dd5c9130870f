package io.pbsattn.examples.command;

import io.pbsattn.PrefillReport;
import io.pbsattn.examples.model.LiveAnswer;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.examples.model.PrefillProgress;
import io.pbsattn.examples.model.TextDocument;
import io.pbsattn.examples.option.ContextTokens;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.examples.option.LoadOptions;
import io.pbsattn.examples.option.SamplingOptions;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Answers questions over a document. */
@Command(
        name = "ask",
        description = "Answer questions over a document.",
        mixinStandardHelpOptions = true)
public final class AskCommand implements Callable<Integer> {

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

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
            converter = ContextTokens.class,
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
        loading.check();
        String text = TextDocument.read(document).strip();
        boolean isLive = LiveAnswer.isWatched() && !json.isAsked();
        PrintWriter out = spec.commandLine().getOut();
        List<Answer> answers = new ArrayList<>();
        PrefillReport report = null;
        StringBuilder shown = new StringBuilder();
        try (LoadedModel loaded = loading.open(loading.folder(), loading.attention(), context)) {
            for (String question : questions) {
                String message = text + TextDocument.QUESTION + question;
                GenerationResult result;
                if (isLive) {
                    out.printf("%s%n  ", question);
                    out.flush();
                    result = stream(loaded, message, options, out);
                    out.printf("%n%s", figures(result));
                    out.flush();
                } else {
                    result = loaded.generate(message, options, "reading");
                    shown.append(String.format("%s%n  %s%n", question, result.text().strip()));
                    shown.append(figures(result));
                }
                answers.add(Answer.of(question, result));
                report = report == null ? result.report() : report.plus(result.report());
            }
            if (!isLive) {
                json.print(
                        new Result(
                                loading.attention().toString(),
                                report.backend(),
                                loaded.dtype(),
                                loaded.countTokens(text),
                                answers),
                        shown.toString().stripTrailing());
            }
        }
        return 0;
    }

    private static GenerationResult stream(
            LoadedModel loaded, String message, GenerationOptions options, PrintWriter out) {
        try (PrefillProgress progress = new PrefillProgress("reading");
                Generation answer = loaded.stream(message, options, progress)) {
            return LiveAnswer.print(answer, progress, out);
        }
    }

    private static String figures(GenerationResult result) {
        return String.format(
                "  %d tokens, %d of them reused; prefill %.2f s, density %.2f, backend %s%n",
                result.promptTokens(),
                result.reusedTokens(),
                result.prefillSeconds(),
                result.report().density(),
                result.report().backend());
    }

    /**
     * The JSON of the command.
     *
     * @param backend what ran, such as cpu, or pytorch where no kernel did
     */
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

package io.pbsattn.examples.command;

import io.pbsattn.examples.demo.Fact;
import io.pbsattn.examples.demo.FactDocument;
import io.pbsattn.examples.model.DemoModel;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.examples.model.TextDocument;
import io.pbsattn.examples.option.AttentionKinds;
import io.pbsattn.examples.option.AttentionOptions;
import io.pbsattn.examples.option.DtypeOption;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.ModelOptions;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/**
 * The main job on the embedded model: questions over a long document, with sparse and with dense
 * prefill.
 */
@Command(
        name = "demo",
        description =
                "Ask the embedded model about a long document, with sparse and dense prefill.",
        mixinStandardHelpOptions = true)
public final class DemoCommand implements Callable<Integer> {

    private static final List<Fact> FACTS =
            List.of(
                    new Fact("access code", "amber falcon", "48213"),
                    new Fact("locker number", "silver otter", "70594"),
                    new Fact("badge number", "quiet heron", "31867"));

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Mixin private AttentionKinds attentions;

    @Mixin private AttentionOptions sparse;

    @Mixin private DtypeOption dtype;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        PrintWriter out = spec.commandLine().getOut();
        sparse.config(); // what is wrong with the options is said before anything is unpacked
        String document = FactDocument.withFacts(FactDocument.paragraphs(), FACTS);
        Path folder = DemoModel.unpack();
        sparse.checkLayers(folder);
        boolean allRight = true;
        Map<AttentionKind, GenerationResult> reading = new EnumMap<>(AttentionKind.class);
        boolean isFirst = true;
        for (AttentionKind kind : attentions.get()) {
            ModelOptions options = sparse.modelOptions(kind).optDtype(dtype.get());
            try (LoadedModel model = LoadedModel.open(folder, options)) {
                if (isFirst) {
                    isFirst = false;
                    out.printf(
                            "Document: the GNU GPL, version 3, with %d facts strewn in; %,d"
                                    + " tokens.%n",
                            FACTS.size(), model.countTokens(document));
                }
                // As long as what is measured, but different from its first token on.
                GenerationResult warm =
                        model.generate(
                                "Warming up. " + document,
                                new GenerationOptions().optMaxNewTokens(1),
                                "warming up");
                out.printf(
                        "%nattention %s (backend %s, %s)%n",
                        kind, warm.report().backend(), model.dtype());
                for (Fact fact : FACTS) {
                    String message = document + TextDocument.QUESTION + fact.question();
                    GenerationResult result =
                            model.generate(message, new GenerationOptions(), "reading");
                    boolean right = result.text().contains(fact.number());
                    allRight &= right;
                    out.printf(
                            "  %s%n    %s  [%s]%n    prefill of %,d tokens %.2f s (%,d reused),"
                                    + " density %.2f%n",
                            fact.question(),
                            result.text().strip(),
                            right ? "right" : "wrong, expected " + fact.number(),
                            result.promptTokens() - result.reusedTokens(),
                            result.prefillSeconds(),
                            result.reusedTokens(),
                            result.report().density());
                    reading.putIfAbsent(kind, result);
                }
            }
        }
        if (reading.size() == 2) {
            out.println(compare(reading.get(AttentionKind.PBS), reading.get(AttentionKind.DENSE)));
        }
        return allRight ? 0 : 1;
    }

    private static String compare(GenerationResult pbs, GenerationResult dense) {
        double pbsSeconds = pbs.report().totalSeconds();
        double denseSeconds = dense.report().totalSeconds();
        return String.format(
                "%nPrefill of the whole document: pbs %.2f s, dense %.2f s; its attention: pbs %.2f"
                        + " s, dense %.2f s, ratio %.2f; density %.2f",
                pbs.prefillSeconds(),
                dense.prefillSeconds(),
                pbsSeconds,
                denseSeconds,
                denseSeconds / pbsSeconds,
                pbs.report().density());
    }
}

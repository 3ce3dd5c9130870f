package io.pbsattn.examples.command;

import io.pbsattn.examples.demo.Fact;
import io.pbsattn.examples.demo.FactDocument;
import io.pbsattn.examples.model.DemoModel;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.examples.model.TextDocument;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;

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

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        PrintWriter out = spec.commandLine().getOut();
        String document = FactDocument.withFacts(FactDocument.paragraphs(), FACTS);
        Path folder = DemoModel.unpack();
        boolean allRight = true;
        double[] seconds = new double[2];
        double[] attentionSeconds = new double[2];
        String[] attentions = {"pbs", "dense"};
        double density = 1;
        for (int a = 0; a < attentions.length; ++a) {
            try (LoadedModel model = LoadedModel.open(folder, attentions[a], null, null)) {
                if (a == 0) {
                    out.printf(
                            "Document: the GNU GPL, version 3, with %d facts strewn in; %,d"
                                    + " tokens.%n",
                            FACTS.size(), model.countTokens(document));
                }
                out.printf(
                        "%nattention %s (backend %s, %s)%n",
                        attentions[a], model.backend(), model.dtype());
                // As long as what is measured, but different from its first token on.
                model.generate(
                        "Warming up. " + document,
                        new GenerationOptions().optMaxNewTokens(1),
                        "warming up");
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
                    if (fact.equals(FACTS.get(0))) {
                        seconds[a] = result.prefillSeconds();
                        attentionSeconds[a] = result.report().totalSeconds();
                        density = a == 0 ? result.report().density() : density;
                    }
                }
            }
        }
        out.printf(
                "%nPrefill of the whole document: pbs %.2f s, dense %.2f s; its attention: pbs %.2f"
                        + " s, dense %.2f s, ratio %.2f; density %.2f%n",
                seconds[0],
                seconds[1],
                attentionSeconds[0],
                attentionSeconds[1],
                attentionSeconds[1] / attentionSeconds[0],
                density);
        return allRight ? 0 : 1;
    }
}

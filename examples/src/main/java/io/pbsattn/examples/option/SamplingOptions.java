package io.pbsattn.examples.option;

import io.pbsattn.zoo.generate.GenerationOptions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** The options that say how an answer's tokens are chosen, and how many. */
public final class SamplingOptions {

    @CommandLine.Spec(CommandLine.Spec.Target.MIXEE)
    private CommandLine.Model.CommandSpec command;

    @Option(names = "--max-new-tokens", description = "The most tokens of an answer.")
    private Integer maxNewTokens;

    @Option(
            names = "--temperature",
            description = "Sample: above 1 the choice is more even, below 1 less; 0 does not.")
    private Double temperature;

    @Option(names = "--top-k", description = "Sample from the N likeliest tokens; 0: from all.")
    private Integer topK;

    @Option(
            names = "--top-p",
            description = "Sample from the likeliest tokens that together have this probability.")
    private Double topP;

    @Option(
            names = "--min-p",
            description = "Sample from tokens at least this share as likely as the likeliest.")
    private Double minP;

    @Option(
            names = "--repetition-penalty",
            description = "Above 1 makes tokens of document and answer less likely.")
    private Double repetitionPenalty;

    @Option(
            names = "--presence-penalty",
            description = "-2 to 2: above 0 makes tokens of the answer less likely.")
    private Double presencePenalty;

    @Option(
            names = "--frequency-penalty",
            description = "-2 to 2: the same for each time that they came.")
    private Double frequencyPenalty;

    @Option(names = "--seed", description = "The same seed samples the same answer.")
    private Long seed;

    @Option(
            names = "--stop",
            description = "A string that ends the answer; may be given several times.")
    private List<String> stop;

    /**
     * Makes the options of one answer. Where none of the options asks for sampling, the likeliest
     * token is taken, whatever the model's folder says: the same question gets the same answer.
     *
     * @throws CommandLine.ParameterException if a value is out of range; names the option
     */
    public GenerationOptions get() {
        Map<String, Object> values = new HashMap<>();
        values.put("max_new_tokens", maxNewTokens);
        values.put("temperature", temperature);
        values.put("top_k", topK);
        values.put("top_p", topP);
        values.put("min_p", minP);
        values.put("repetition_penalty", repetitionPenalty);
        values.put("presence_penalty", presencePenalty);
        values.put("frequency_penalty", frequencyPenalty);
        values.put("seed", seed);
        values.put("stop", stop);
        boolean samples = temperature != null || topK != null || topP != null || minP != null;
        if (!samples) {
            values.put("do_sample", false);
        }
        try {
            return GenerationOptions.of(values);
        } catch (IllegalArgumentException e) {
            String[] keyAndReason = e.getMessage().split(":", 2);
            String option = "--" + keyAndReason[0].replace('_', '-');
            throw new CommandLine.ParameterException(
                    command.commandLine(), option + ":" + keyAndReason[1], e);
        }
    }
}

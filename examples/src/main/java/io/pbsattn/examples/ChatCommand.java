package io.pbsattn.examples;

import io.pbsattn.zoo.AttentionKind;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Talks with a model, line by line. */
@Command(
        name = "chat",
        description = "Talk with a model; /help there lists what else a line may say.",
        mixinStandardHelpOptions = true)
final class ChatCommand implements Callable<Integer> {

    @Option(names = "--model", required = true, description = "A Hugging Face folder, or 'demo'.")
    private String model;

    @Option(names = "--attention", defaultValue = "pbs", description = "pbs (default) or dense.")
    private AttentionKind attention;

    @Option(
            names = "--dtype",
            description = "float32 or bfloat16; default: the faster of the two for this model.")
    private String dtype;

    @Option(
            names = "--context",
            description = "The most tokens of the whole chat; default: the model's own limit.")
    private Integer context;

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Mixin private SamplingOptions sampling;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        if (context != null && context < 2) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(), "--context: expected at least 2, found " + context);
        }
        Path folder = ModelFolder.of(model);
        PrintWriter out = spec.commandLine().getOut();
        ChatSession.Opener opener = kind -> LoadedModel.open(folder, kind, dtype, context);
        try (ChatInput input = ChatInput.open();
                ChatSession session =
                        new ChatSession(opener, attention.toString(), sampling.get(), out)) {
            input.onInterrupt(session::interrupt);
            if (input.isTerminal()) {
                out.printf("%s; /help for help, /exit or Ctrl-D to end%n", session.describe());
            }
            String line = input.readLine();
            while (line != null && session.accept(line)) {
                line = input.readLine();
            }
        }
        return 0;
    }
}

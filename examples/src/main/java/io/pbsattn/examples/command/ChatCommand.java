package io.pbsattn.examples.command;

import io.pbsattn.examples.chat.ChatInput;
import io.pbsattn.examples.chat.ChatSession;
import io.pbsattn.examples.option.ContextTokens;
import io.pbsattn.examples.option.LoadOptions;
import io.pbsattn.examples.option.SamplingOptions;
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
public final class ChatCommand implements Callable<Integer> {

    @Mixin private LoadOptions loading;

    @Option(
            names = "--context",
            converter = ContextTokens.class,
            description = "The most tokens of the whole chat; default: the model's own limit.")
    private Integer context;

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Mixin private SamplingOptions sampling;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        loading.check();
        Path folder = loading.folder();
        PrintWriter out = spec.commandLine().getOut();
        ChatSession.Opener opener = kind -> loading.open(folder, kind, context);
        try (ChatInput input = ChatInput.open();
                ChatSession session =
                        new ChatSession(opener, loading.attention(), sampling.get(), out)) {
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

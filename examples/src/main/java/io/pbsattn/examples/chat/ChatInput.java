package io.pbsattn.examples.chat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.function.BooleanSupplier;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/**
 * Lines of a chat: from a terminal with history and editing, or from a file or pipe as they are.
 * Ctrl-C on a terminal ends what is being answered; with nothing to end, the second one in a row
 * ends the chat.
 */
public final class ChatInput implements AutoCloseable {

    /** Set by ./pbs where standard input and output are a terminal. */
    private static final String INTERACTIVE_PROPERTY = "pbs.interactive";

    private static final String PROMPT = "> ";

    /** Null where the input is no terminal. */
    private final Terminal terminal;

    private final LineReader editor;
    private final BufferedReader plain;

    private ChatInput(Terminal terminal) {
        this.terminal = terminal;
        editor =
                terminal == null
                        ? null
                        : LineReaderBuilder.builder()
                                .terminal(terminal)
                                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                                .build();
        plain =
                terminal == null
                        ? new BufferedReader(
                                new InputStreamReader(System.in, StandardCharsets.UTF_8))
                        : null;
    }

    public static ChatInput open() throws IOException {
        return new ChatInput(
                Boolean.getBoolean(INTERACTIVE_PROPERTY)
                        ? TerminalBuilder.builder().system(true).nativeSignals(true).build()
                        : null);
    }

    public boolean isTerminal() {
        return terminal != null;
    }

    /**
     * Says what Ctrl-C does while no line is being read.
     *
     * @param action returns false if there was nothing to end: then the program ends
     */
    public void onInterrupt(BooleanSupplier action) {
        if (terminal != null) {
            terminal.handle(
                    Terminal.Signal.INT,
                    signal -> {
                        if (!action.getAsBoolean()) {
                            // As a program ends that Ctrl-C ends.
                            Runtime.getRuntime().halt(130);
                        }
                    });
        }
    }

    /** The next line, or null at the end of the input. */
    public String readLine() throws IOException {
        if (editor == null) {
            return plain.readLine();
        }
        boolean wasInterrupted = false;
        while (true) {
            try {
                return editor.readLine(PROMPT);
            } catch (EndOfFileException e) {
                return null;
            } catch (UserInterruptException e) {
                if (wasInterrupted && e.getPartialLine().isEmpty()) {
                    return null;
                }
                wasInterrupted = true;
                terminal.writer().println("Ctrl-C again, or /exit, to end");
            }
        }
    }

    /** {@inheritDoc} */
    @Override
    public void close() throws IOException {
        if (terminal != null) {
            terminal.close();
        }
    }
}

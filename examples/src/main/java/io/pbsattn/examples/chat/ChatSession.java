package io.pbsattn.examples.chat;

import ai.djl.ModelException;
import io.pbsattn.examples.model.LiveAnswer;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.examples.model.PrefillProgress;
import io.pbsattn.examples.model.TextDocument;
import io.pbsattn.zoo.generate.FinishReason;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationOptions;
import io.pbsattn.zoo.generate.GenerationResult;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.text.ChatMessage;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A chat with a model: what was said, and what its lines do. A turn reads only what is new; the
 * model keeps the rest.
 */
public final class ChatSession implements AutoCloseable {

    private static final String HELP =
            """
            /attention [pbs|dense]  shows or changes the attention; the chat is read anew with it
            /document FILE          puts a text file in front of the next question
            /system [TEXT]          tells the model how to behave; without a text no longer
            /reset                  forgets what was said, but for /system
            /help                   this
            /exit                   ends, as the end of the input does
            Any other line is said to the model. Ctrl-C ends an answer; twice, it ends the chat.\
            """;

    private final Opener opener;
    private final GenerationOptions options;
    private final PrintWriter out;
    private final List<ChatMessage> messages = new ArrayList<>();
    private final List<String> documents = new ArrayList<>();
    private String system;
    private AttentionKind attention;
    private LoadedModel model;
    private volatile Generation answering;
    private volatile boolean isInterrupted;

    /** Opens the model of the chat. */
    public interface Opener {

        LoadedModel open(AttentionKind attention) throws IOException, ModelException;
    }

    /**
     * Opens the model.
     *
     * @param opener called for each kind of attention that is asked for
     * @param attention what it begins with
     * @param options how each message is answered
     * @param out where answers go
     */
    public ChatSession(
            Opener opener, AttentionKind attention, GenerationOptions options, PrintWriter out)
            throws IOException, ModelException {
        this.opener = opener;
        this.attention = attention;
        this.options = options;
        this.out = out;
        model = opener.open(attention);
        if (!model.hasChatTemplate()) {
            model.close();
            throw new IOException(
                    "the model has no chat template: expected chat_template.jinja, or the key"
                            + " chat_template in tokenizer_config.json; './pbs ask --raw' needs"
                            + " none");
        }
    }

    public String describe() {
        return String.format(
                "attention %s, backend %s, %s", attention, model.backend(), model.dtype());
    }

    /**
     * Does what a line says.
     *
     * @return false to end the chat
     */
    public boolean accept(String line) throws IOException, ModelException {
        String text = line.strip();
        if (text.isEmpty()) {
            return true;
        }
        if (!text.startsWith("/")) {
            answer(text);
            return true;
        }
        String[] words = text.split("\\s+", 2);
        String rest = words.length > 1 ? words[1] : "";
        switch (words[0]) {
            case "/attention" -> changeAttention(rest);
            case "/document" -> addDocument(rest);
            case "/system" -> {
                system = rest.isEmpty() ? null : rest;
                out.println(system == null ? "no system message" : "system: " + system);
            }
            case "/reset" -> {
                messages.clear();
                documents.clear();
                out.println("forgotten");
            }
            case "/help" -> out.println(HELP);
            case "/exit", "/quit" -> {
                return false;
            }
            default -> out.println(words[0] + ": no such command; /help lists them");
        }
        return true;
    }

    private void changeAttention(String wanted) throws IOException, ModelException {
        if (!wanted.isEmpty()) {
            try {
                AttentionKind kind = AttentionKind.parse(wanted);
                if (kind != attention) {
                    // Keys and values behind the first layer depend on the attention: none is kept.
                    model.close();
                    attention = kind;
                    model = opener.open(kind);
                }
            } catch (IllegalArgumentException e) {
                out.println("/attention: " + e.getMessage());
                return;
            }
        }
        out.println(describe());
    }

    private void addDocument(String file) {
        try {
            String text = TextDocument.read(Path.of(file)).strip();
            documents.add(text);
            out.printf("%s: %d tokens, read with the next question%n", file, count(text));
        } catch (IOException | IllegalArgumentException e) {
            out.println("/document: " + e.getMessage());
        }
    }

    private int count(String text) {
        return model.countTokens(text);
    }

    private void answer(String question) {
        List<ChatMessage> chat = new ArrayList<>();
        if (system != null) {
            chat.add(ChatMessage.system(system));
        }
        chat.addAll(messages);
        ChatMessage asked =
                ChatMessage.user(
                        documents.isEmpty()
                                ? question
                                : String.join("\n\n", documents)
                                        + TextDocument.QUESTION
                                        + question);
        chat.add(asked);
        GenerationResult result;
        try {
            result = stream(chat);
        } catch (IllegalArgumentException e) {
            // The template refuses the chat, or it does not fit: what was asked is not kept.
            out.println(e.getMessage());
            return;
        }
        out.println();
        if (result.finishReason() == FinishReason.CANCELLED) {
            out.println("[ended]");
        }
        if (result.report() == null) {
            return; // ended before the question was read
        }
        out.println(describe(result));
        documents.clear();
        messages.add(asked);
        messages.add(ChatMessage.assistant(result.text().strip()));
    }

    private GenerationResult stream(List<ChatMessage> chat) {
        isInterrupted = false;
        try (PrefillProgress progress = new PrefillProgress("reading");
                Generation answer = model.streamChat(chat, options, progress)) {
            answering = answer;
            return LiveAnswer.print(answer, progress, out);
        } finally {
            answering = null;
        }
    }

    private static String describe(GenerationResult result) {
        double rate = result.decodeTokens() / Math.max(result.decodeSeconds(), 1e-9);
        return String.format(
                "[%d tokens, %d of them reused; prefill %.2f s, density %.2f; %d tokens at %.1f"
                        + " tokens/s]",
                result.promptTokens(),
                result.reusedTokens(),
                result.prefillSeconds(),
                result.report().density(),
                result.decodeTokens(),
                rate);
    }

    /**
     * Ends the answer that is being given; may be called from any thread.
     *
     * @return false if there is none, or it was told to end before
     */
    public boolean interrupt() {
        Generation answer = answering;
        if (answer == null || isInterrupted) {
            return false;
        }
        isInterrupted = true;
        answer.cancel();
        return true;
    }

    /** {@inheritDoc} */
    @Override
    public void close() {
        model.close();
    }
}

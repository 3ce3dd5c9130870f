package io.pbsattn.zoo.generate;

import io.pbsattn.zoo.text.Detokenizer;
import io.pbsattn.zoo.text.IncrementalDecoder;
import io.pbsattn.zoo.text.StopStrings;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Predicate;

/**
 * An answer as it comes: pieces of text, each computed when it is asked for, so that a slow reader
 * slows the model down. The pieces are never empty, never end within a character and, put together,
 * are the {@link GenerationResult#text} of the result.
 *
 * <pre>{@code
 * try (Generation answer = generator.stream(message, new GenerationOptions())) {
 *     while (answer.hasNext()) {
 *         System.out.print(answer.next());
 *     }
 *     GenerationResult result = answer.result();
 * }
 * }</pre>
 *
 * <p>{@link #cancel} from any thread, {@link #close} and an interrupt of the reading thread end the
 * answer before its next token, or the prefill after the layer that it is in. {@link #hasNext} and
 * {@link #next} throw what the model throws, and what a progress listener throws.
 */
public final class Generation implements Iterator<String>, AutoCloseable {

    private final TokenStream tokens;
    private final IncrementalDecoder decoder;
    private final StopStrings stops;
    private final StringBuilder text = new StringBuilder();
    private Runnable onClose = () -> {};
    private String piece = "";
    private boolean isFlushed;

    Generation(TokenStream tokens, Detokenizer detokenizer, List<String> stops) {
        this.tokens = tokens;
        decoder = new IncrementalDecoder(detokenizer);
        this.stops = new StopStrings(stops);
    }

    /**
     * Says what is done once the answer has ended or is closed.
     *
     * @param action is run once
     */
    public void whenClosed(Runnable action) {
        onClose = action;
    }

    /** {@inheritDoc} */
    @Override
    public boolean hasNext() {
        while (piece.isEmpty() && !isFlushed) {
            advance();
        }
        return !piece.isEmpty();
    }

    /** Goes on by one token, whose text is not to be read; false if the answer has ended. */
    boolean skipToken() {
        if (!isFlushed) {
            advance();
            piece = "";
        }
        return !isFlushed;
    }

    private void advance() {
        boolean goesOn = tokens.hasNext();
        if (goesOn) {
            add(stops.accept(decoder.accept(tokens.nextLong())));
        }
        if (!goesOn || stops.found()) {
            flush();
        }
    }

    /** {@inheritDoc} */
    @Override
    public String next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the answer has ended");
        }
        String next = piece;
        piece = "";
        return next;
    }

    /** What was held back goes out when nothing more comes. */
    private void flush() {
        isFlushed = true;
        if (!stops.found()) {
            add(stops.accept(decoder.finish()));
        }
        if (stops.found()) {
            tokens.stop();
        } else {
            add(stops.finish());
        }
        onClose.run();
    }

    private void add(String more) {
        piece += more;
        text.append(more);
    }

    /** Ends the answer before its next token; may be called from any thread, and does not wait. */
    public void cancel() {
        tokens.cancel();
    }

    /**
     * Reads what is still to come and says what the whole took.
     *
     * @return the answer; pieces that were not read are in its text
     */
    public GenerationResult result() {
        return result(more -> true);
    }

    /**
     * Hands the pieces that are still to come to a listener and says what the whole took.
     *
     * @param listener returns false to end the answer
     * @return the answer
     */
    public GenerationResult result(Predicate<String> listener) {
        boolean goesOn = true;
        while (goesOn && hasNext()) {
            goesOn = listener.test(next());
        }
        if (!goesOn) {
            close();
        }
        return tokens.result(text.toString());
    }

    /** Ends the answer, if it has not ended, and releases what it holds; what was read stays. */
    @Override
    public void close() {
        tokens.close();
        isFlushed = true;
        piece = "";
        onClose.run();
    }

    /**
     * Returns the tokens of the answer; who reads them takes them away.
     *
     * @return the stream
     */
    public TokenStream tokens() {
        return tokens;
    }

    /**
     * Makes an answer that has ended readable once more, as one piece.
     *
     * @return this answer
     */
    public Generation again() {
        piece = text.toString();
        return this;
    }
}

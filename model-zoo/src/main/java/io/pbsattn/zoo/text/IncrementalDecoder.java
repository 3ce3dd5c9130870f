package io.pbsattn.zoo.text;

import java.util.Arrays;

/**
 * Turns ids into text as they come. What goes out is final: put together, the pieces are the text
 * that all ids give at once. A character whose bytes are not all there yet, and what the decoder
 * may still change, is held back.
 */
public final class IncrementalDecoder {

    private static final char REPLACEMENT = '\uFFFD';

    private final Detokenizer detokenizer;
    private final StringBuilder text = new StringBuilder();
    private long[] ids = new long[64];
    private int size;

    /** The range of ids that is decoded begins here, before what has gone out. */
    private int begin;

    private boolean isInBytes;

    /** All text of the ids before this one has gone out. */
    private int complete;

    /** The text of the range that has gone out. */
    private String emitted = "";

    /**
     * Constructs a decoder.
     *
     * @param detokenizer knows the tokenizer
     */
    public IncrementalDecoder(Detokenizer detokenizer) {
        this.detokenizer = detokenizer;
    }

    /**
     * Takes the next id.
     *
     * @param id of a token
     * @return the text that is final now, perhaps none
     */
    public String accept(long id) {
        ids = size == ids.length ? Arrays.copyOf(ids, 2 * size) : ids;
        ids[size++] = id;
        if (continuesBytes(id)) {
            return "";
        }
        String tail = detokenizer.decode(Arrays.copyOfRange(ids, begin, size));
        int end = detokenizer.isLocal() ? completeLength(tail) : lastWord(tail);
        if (end <= emitted.length() || !tail.startsWith(emitted)) {
            return "";
        }
        String piece = tail.substring(emitted.length(), end);
        text.append(piece);
        emitted = tail.substring(0, end);
        if (detokenizer.isLocal() && end == tail.length()) {
            moveWindow();
        }
        return piece;
    }

    /**
     * Whether an id belongs to a run of bytes; special tokens, which have no text, do not end it.
     */
    private boolean continuesBytes(long id) {
        isInBytes =
                detokenizer.isByte(id)
                        || (isInBytes && detokenizer.decode(new long[] {id}).isEmpty());
        return isInBytes;
    }

    /**
     * Ends the text.
     *
     * @return what was held back
     */
    public String finish() {
        String whole = detokenizer.decode(Arrays.copyOf(ids, size));
        String piece = whole.startsWith(text.toString()) ? whole.substring(text.length()) : "";
        text.append(piece);
        return piece;
    }

    /**
     * Lets the range begin with the newest ids, if they have text of their own: what the decoder
     * does to the beginning of a text then happens to what has gone out.
     */
    private void moveWindow() {
        String newest = detokenizer.decode(Arrays.copyOfRange(ids, complete, size));
        if (!newest.isEmpty() && newest.indexOf(REPLACEMENT) < 0) {
            begin = complete;
            emitted = newest;
        }
        complete = size;
    }

    /**
     * Without a replacement character at the end, which may stand for the first bytes of a
     * character; those before it stand for bytes that never make one.
     */
    private static int completeLength(String tail) {
        int length = tail.length();
        boolean isOpen = length > 0 && tail.charAt(length - 1) == REPLACEMENT;
        return isOpen ? length - 1 : length;
    }

    /** Where the last word and the space before it begin. */
    private static int lastWord(String tail) {
        int end = tail.length();
        while (end > 0 && Character.isWhitespace(tail.charAt(end - 1))) {
            --end;
        }
        while (end > 0 && !Character.isWhitespace(tail.charAt(end - 1))) {
            --end;
        }
        while (end > 0 && Character.isWhitespace(tail.charAt(end - 1))) {
            --end;
        }
        return end;
    }
}

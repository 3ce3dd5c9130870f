package io.pbsattn.examples.model;

import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationResult;
import java.io.PrintWriter;

/** Prints an answer piece by piece, as it is generated. */
public final class LiveAnswer {

    /** Set by ./pbs where standard output is a terminal; the JVM cannot tell reliably. */
    private static final String TERMINAL_PROPERTY = "pbs.stdout.terminal";

    private LiveAnswer() {}

    /** Whether somebody watches: else an answer is printed as a whole. */
    public static boolean isWatched() {
        return Boolean.getBoolean(TERMINAL_PROPERTY);
    }

    /**
     * Prints an answer, without the white space before it.
     *
     * @param progress of the prompt; the answer takes its place
     */
    public static GenerationResult print(
            Generation answer, PrefillProgress progress, PrintWriter out) {
        boolean isFirst = true;
        boolean goesOn = answer.hasNext();
        progress.finish();
        while (goesOn) {
            String piece = answer.next();
            out.print(isFirst ? piece.stripLeading() : piece);
            out.flush();
            isFirst &= piece.isBlank();
            goesOn = answer.hasNext();
        }
        return answer.result();
    }
}

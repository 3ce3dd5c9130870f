package io.pbsattn.examples.verify.fuzz;

/** What became of an input. */
enum Outcome {
    /** It was read. */
    ACCEPTED,
    /** It was refused, and the file was named. */
    REJECTED,
    /** It was refused, but nobody would know which file is meant. */
    UNNAMED,
    /** The process died, or ran out of memory or stack. */
    CRASHED,
    /** Nothing came for a long time. */
    HUNG;

    String line(String what) {
        return name() + ' ' + what;
    }

    static Outcome of(String line) {
        return valueOf(line.substring(0, line.indexOf(' ')));
    }
}

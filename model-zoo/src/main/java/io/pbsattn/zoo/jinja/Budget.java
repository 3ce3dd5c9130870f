package io.pbsattn.zoo.jinja;

/**
 * What a rendering may take: steps, memory, and depth. It is asked before work is done or memory is
 * taken, so that no template and no message can hold up or exhaust the JVM.
 */
final class Budget {

    /** Enough for thousands of messages; some seconds at most. */
    static final long STEPS = 20_000_000;

    /** Of expressions, statements and values in one another; fits the stack of a usual thread. */
    static final int DEPTH = 800;

    private static final int CHARACTERS_A_STEP = 16;
    private static final int COMPARED_AT_ONCE = 8;

    /** A character of a text that is built, and the room that a builder keeps free. */
    private static final int BYTES_A_CHARACTER = 4;

    /** An item of a list or dict with a small value of its own. */
    private static final int BYTES_AN_ITEM = 96;

    private int line = 1;
    private long steps;
    private long bytes;
    private int depth;

    Budget(long steps, long bytes) {
        this.steps = steps;
        this.bytes = bytes;
    }

    /** A quarter of the heap: what is thrown away again counts too. */
    static Budget ofHeap() {
        return new Budget(STEPS, Runtime.getRuntime().maxMemory() / 4);
    }

    void step() {
        steps(1);
    }

    void steps(long count) {
        if (count > steps) {
            throw new JinjaException("it takes too many steps");
        }
        steps -= count;
    }

    /** Reads characters. */
    void scan(long count) {
        steps(count / CHARACTERS_A_STEP);
    }

    /** Looks for a text in another, at worst a good part of it at every index. */
    void search(long textLength, long wantedLength) {
        long starts = Math.max(0, textLength - wantedLength) + 1;
        scan(textLength);
        scan(starts * (wantedLength / COMPARED_AT_ONCE));
    }

    /** Makes a text. */
    void characters(long count) {
        scan(count);
        take(count, BYTES_A_CHARACTER);
    }

    /** Makes a list or dict. */
    void items(long count) {
        steps(count);
        take(count + 1, BYTES_AN_ITEM);
    }

    /** Makes an integer. */
    void bits(long count) {
        if (count > Numbers.MOST_BITS) {
            throw new JinjaException("an integer of more than " + Numbers.MOST_BITS + " bits");
        }
        steps(count / CHARACTERS_A_STEP);
        take(count / 8, 1);
    }

    private void take(long count, int bytesEach) {
        if (count > bytes / bytesEach) {
            throw new JinjaException("it makes too much text or too many values");
        }
        bytes -= count * bytesEach;
    }

    /** Goes into the statement of a line. */
    void enter(int statementLine) {
        line = statementLine;
        enter();
    }

    /** The line of the last statement that was begun. */
    int line() {
        return line;
    }

    /** Goes into an expression, a statement or a value. */
    void enter() {
        step();
        if (++depth > DEPTH) {
            throw new JinjaException(
                    "a macro, a loop or a value goes into itself more than " + DEPTH + " deep");
        }
    }

    void leave() {
        --depth;
    }
}

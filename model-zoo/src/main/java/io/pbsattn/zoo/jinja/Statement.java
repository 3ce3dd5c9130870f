package io.pbsattn.zoo.jinja;

/** A part of a template that writes text. */
interface Statement {

    /** What goes on behind a statement: the next one, or the end or next turn of the loop. */
    enum Flow {
        NEXT,
        BREAK,
        CONTINUE
    }

    Flow run(Scope scope, Text.Builder out);
}

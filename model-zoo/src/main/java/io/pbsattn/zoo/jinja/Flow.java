package io.pbsattn.zoo.jinja;

/** Where a loop goes on behind a statement. */
enum Flow {
    NEXT,
    BREAK,
    CONTINUE
}

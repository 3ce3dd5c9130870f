package io.pbsattn.backend.cuda;

/** The stages of a call, in their order; the time of each is reported. */
enum Stage {
    PERMUTE,
    SELECT,
    ATTEND
}

package io.pbsattn.torchscript;

/**
 * The part of a sequence where a mask allows causal attention; what lies around it is padding. The
 * queries are the last ones of the keys: the last query sees all of these keys, the one before all
 * but the last.
 *
 * @param firstQuery row of the first query that is not padding
 * @param queries rows from there on
 * @param firstKey row of the first key that is not padding
 * @param keys rows from there on, at least as many as the queries
 */
record CausalSpan(int firstQuery, int queries, int firstKey, int keys) {}

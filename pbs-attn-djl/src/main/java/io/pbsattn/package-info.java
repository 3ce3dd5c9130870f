/**
 * The operator's public face: Permuted Block-Sparse Attention, its settings, its report, and the
 * choice of a backend.
 */
package io.pbsattn;

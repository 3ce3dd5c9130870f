/**
 * Layers know matrices: what a decoder layer computes around attention, in float32 by libtorch's
 * operators or in bfloat16 by the native kernels, and which of the two a model takes.
 */
package io.pbsattn.layer;

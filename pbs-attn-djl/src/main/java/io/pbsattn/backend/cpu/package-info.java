/** Attention by the native kernels, on arrays of the CPU. */
package io.pbsattn.backend.cpu;

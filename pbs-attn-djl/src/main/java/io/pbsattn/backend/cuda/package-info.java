/** Attention on NVIDIA GPUs: the host side of the CUDA kernels. */
package io.pbsattn.backend.cuda;

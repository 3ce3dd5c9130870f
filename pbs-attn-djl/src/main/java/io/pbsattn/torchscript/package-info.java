/** Sparse attention inside TorchScript models, in the place of PyTorch's own operator. */
package io.pbsattn.torchscript;

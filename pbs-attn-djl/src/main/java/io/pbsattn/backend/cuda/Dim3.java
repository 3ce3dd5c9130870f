package io.pbsattn.backend.cuda;

/** The extent of a grid, in blocks, or of a block, in threads. */
record Dim3(int x, int y, int z) {}

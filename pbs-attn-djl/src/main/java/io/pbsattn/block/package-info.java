/** Attention as models use it: DJL blocks, and dense attention of PyTorch where no kernel runs. */
package io.pbsattn.block;

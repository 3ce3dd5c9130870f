// The key blocks that a row keeps, from the last one down: those of its own segment, which need the mask, come first.
#ifndef PBS_ATTN_CUDA_KEPT_BLOCKS_CUH_
#define PBS_ATTN_CUDA_KEPT_BLOCKS_CUH_

#include "platform.cuh"

namespace pbs {

// The last kept block before `block`, or -1. Looks it up anew each time, so that nothing stays in registers.
__device__ __forceinline__ int kept_block_before(const unsigned long long* mask, int block) {
  int word = block / 64;
  unsigned long long bits = block % 64 == 0 ? 0 : mask[word] & ((1ull << block % 64) - 1);
  while (bits == 0) {
    if (word == 0) return -1;
    bits = mask[--word];
  }
  return word * 64 + highest_bit(bits);
}

// The same for parts of blocks, kParts of each.
template <int kParts>
__device__ __forceinline__ int kept_tile_before(const unsigned long long* mask, int tile) {
  if (tile % kParts != 0) return tile - 1;
  const int block = kept_block_before(mask, tile / kParts);
  return block < 0 ? -1 : block * kParts + kParts - 1;
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_KEPT_BLOCKS_CUH_

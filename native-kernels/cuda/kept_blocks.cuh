// Walks through the key blocks that a row keeps, from the last one down: those of its own segment, which need the mask,
// come first.
#ifndef PBS_ATTN_CUDA_KEPT_BLOCKS_CUH_
#define PBS_ATTN_CUDA_KEPT_BLOCKS_CUH_

#include "platform.cuh"

namespace pbs {

class KeptBlocks {
 public:
  __device__ KeptBlocks(const unsigned long long* mask, int words) : mask_(mask), word_(words), bits_(0) {}

  // The next block, or -1 after the last one.
  __device__ __forceinline__ int next() {
    while (bits_ == 0) {
      if (word_ == 0) return -1;
      bits_ = mask_[--word_];
    }
    const int bit = highest_bit(bits_);
    bits_ ^= 1ull << bit;
    return word_ * 64 + bit;
  }

 private:
  const unsigned long long* mask_;
  int word_;
  unsigned long long bits_;
};

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_KEPT_BLOCKS_CUH_

// The causal mask, by the keys' original positions.
#ifndef PBS_ATTN_CUDA_MASK_CUH_
#define PBS_ATTN_CUDA_MASK_CUH_

#include "platform.cuh"
#include "softmax.cuh"

namespace pbs {

// Hides from the queries at position and position + 8 the keys that come after them. positions has the original
// position of the keys of the tile's columns; a lane has columns 8 n + 2 (lane % 4) and the next one.
template <int kElements>
__device__ __forceinline__ void mask_future(float (&logits)[kElements], const int* positions, int position) {
  const int column = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int n = 0; n < kElements / 4; ++n) {
    const int2 key = *reinterpret_cast<const int2*>(positions + 8 * n + column);
    if (key.x > position) logits[4 * n] = negative_infinity();
    if (key.y > position) logits[4 * n + 1] = negative_infinity();
    if (key.x > position + 8) logits[4 * n + 2] = negative_infinity();
    if (key.y > position + 8) logits[4 * n + 3] = negative_infinity();
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_MASK_CUH_

// Orders the keys by falling score inside each complete segment; keys of equal score, and those of the remainder, stay
// in their order.
#ifndef PBS_ATTN_CUDA_SORT_SEGMENTS_CUH_
#define PBS_ATTN_CUDA_SORT_SEGMENTS_CUH_

#include "bitonic_sort.cuh"
#include "call.cuh"
#include "check.cuh"
#include "key_scores.cuh"

namespace pbs {

// A number that is the smaller the higher the score.
__device__ __forceinline__ uint32_t score_rank(float kept) {
  const uint32_t bits = float_to_bits(kept);
  return (bits & 0x80000000u) != 0 ? bits : ~bits & 0x7fffffffu;
}

__device__ __forceinline__ float score_log(float kept) { return kept > 0 ? logf(kept) : kept; }

// The mean of the scores that the query heads of an order give a key, left with each of them.
__device__ inline float shared_score(const Call& call, int b, int oh, int key) {
  const int heads = heads_per_order(call);
  float* scores = key_scores(call, b, oh * heads) + key;
  if (heads == 1) return *scores;
  const int64_t stride = padded_keys(call);
  float max = negative_infinity();
  for (int h = 0; h < heads; ++h) max = fmaxf(max, score_log(scores[h * stride]));
  float sum = 0;
  for (int h = 0; h < heads; ++h) sum += expf(score_log(scores[h * stride]) - max);
  const float mean = kept_score(max * kLog2e, sum / static_cast<float>(heads));
  for (int h = 0; h < heads; ++h) scores[h * stride] = mean;
  return mean;
}

__device__ inline void sort_segments(const Call& call) {
  const int b = static_cast<int>(blockIdx.z);
  const int oh = static_cast<int>(blockIdx.y);
  const BlockGrid grid = grid_of(call, b);
  const int first = static_cast<int>(blockIdx.x) * grid.segment_size;
  int* positions = order(call, b, oh);
  if (first + grid.segment_size > grid.complete_keys()) {
    const int end = smaller(first + grid.segment_size, static_cast<int>(padded_keys(call)));
    for (int n = first + static_cast<int>(threadIdx.x); n < end; n += kPlainThreads) {
      positions[n] = n < grid.seqlen_k ? n : kNoPosition;
    }
    if (first == 0 && threadIdx.x == 0) *first_block(call, b, oh) = 0;
    return;
  }
  unsigned long long* ranked = reinterpret_cast<unsigned long long*>(shared_memory());
  const int count = power_of_two_from(grid.segment_size);
  for (int n = static_cast<int>(threadIdx.x); n < count; n += kPlainThreads) {
    ranked[n] = n < grid.segment_size
                    ? static_cast<unsigned long long>(score_rank(shared_score(call, b, oh, first + n))) << 32 |
                          static_cast<uint32_t>(first + n)
                    : ~0ull;
  }
  bitonic_sort(ranked, count);
  for (int n = static_cast<int>(threadIdx.x); n < grid.segment_size; n += kPlainThreads) {
    const int key = static_cast<int>(ranked[n] & 0xffffffffu);
    positions[first + n] = key;
    if (key == 0) *first_block(call, b, oh) = n / kBlockSize;
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_SORT_SEGMENTS_CUH_

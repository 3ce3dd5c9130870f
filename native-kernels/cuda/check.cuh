// Around a call: the search for NaN and infinity, and what stands in rows that are padding.
#ifndef PBS_ATTN_CUDA_CHECK_CUH_
#define PBS_ATTN_CUDA_CHECK_CUH_

#include "call.cuh"
#include "tile_sizes.h"

namespace pbs {

__device__ __forceinline__ bool is_finite_pair(uint32_t pair, uint32_t mask) {
  return (pair & mask) != mask && (pair >> 16 & mask) != mask;
}

// A block of rows of one head of q, k or v.
__device__ inline void check_finite(const Call& call) {
  const int b = static_cast<int>(blockIdx.z);
  const BlockGrid grid = grid_of(call, b);
  const int q_heads = static_cast<int>(call.num_q_heads);
  const int kv_heads = static_cast<int>(call.num_kv_heads);
  int head = static_cast<int>(blockIdx.y);
  const int array = head < q_heads ? 0 : head < q_heads + kv_heads ? 1 : 2;
  head -= array == 0 ? 0 : array == 1 ? q_heads : q_heads + kv_heads;
  const int rows = array == 0 ? grid.seqlen_q : grid.seqlen_k;
  const int first = static_cast<int>(blockIdx.x) * kBlockSize;
  const int end = smaller(first + kBlockSize, rows);
  const int chunks = static_cast<int>(call.head_dim) / 8;
  const uint32_t mask = static_cast<uint32_t>(call.finite_mask);
  const int all_q_heads_begin = static_cast<int>(call.head_begin);
  for (int n = static_cast<int>(threadIdx.x); n < (end - first) * chunks; n += kPlainThreads) {
    const int row = first + n / chunks;
    const char* from = array == 0   ? q_row(call, b, head - all_q_heads_begin, row)
                       : array == 1 ? k_row(call, b, head, row)
                                    : v_row(call, b, head, row);
    const uint4 x = *reinterpret_cast<const uint4*>(from + n % chunks * 16);
    if (is_finite_pair(x.x, mask) && is_finite_pair(x.y, mask) && is_finite_pair(x.z, mask) &&
        is_finite_pair(x.w, mask)) {
      continue;
    }
    const unsigned long long where = static_cast<unsigned long long>(array) << PBS_CUDA_ARRAY_SHIFT |
                                     static_cast<unsigned long long>(b) << PBS_CUDA_SEQUENCE_SHIFT |
                                     static_cast<unsigned long long>(head) << PBS_CUDA_HEAD_SHIFT |
                                     static_cast<unsigned>(row);
    atomicMax(&counters(call)[PBS_CUDA_NOT_FINITE], ~where);
  }
}

// Rows past a sequence's queries: output 0, log-sum-exp negative infinity.
__device__ inline void clear_padding(const Call& call) {
  const int b = static_cast<int>(blockIdx.z);
  const int h = static_cast<int>(blockIdx.y);
  const int first = static_cast<int>(blockIdx.x) * kBlockSize;
  const int begin = larger(first, grid_of(call, b).seqlen_q);
  const int end = smaller(first + kBlockSize, static_cast<int>(call.max_seqlen_q));
  const int chunks = static_cast<int>(call.head_dim) / 8;
  for (int n = static_cast<int>(threadIdx.x); n < (end - begin) * chunks; n += kPlainThreads) {
    *reinterpret_cast<uint4*>(o_row(call, b, h, begin + n / chunks) + n % chunks * 16) = uint4{0, 0, 0, 0};
  }
  if (call.lse == 0) return;
  for (int row = begin + static_cast<int>(threadIdx.x); row < end; row += kPlainThreads) {
    *lse_row(call, b, h, row) = bits_to_float(0xff800000u);
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_CHECK_CUH_

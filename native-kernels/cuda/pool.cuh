// Means of the blocks of queries and of reordered keys; and keys and values gathered in their new order.
#ifndef PBS_ATTN_CUDA_POOL_CUH_
#define PBS_ATTN_CUDA_POOL_CUH_

#include "call.cuh"
#include "check.cuh"
#include "element.cuh"

namespace pbs {

// Mean of 128 rows of head_dim elements. source(row) is a row's first byte or null for zeros; target(row) where its
// copy goes, or null.
template <typename T, typename Source, typename Target>
__device__ __forceinline__ void pool_block(int head_dim, float* mean, const Source& source, const Target& target) {
  __shared__ float sums[kPlainThreads * 8];
  const int chunks = head_dim / 8;
  const int lanes = kPlainThreads / chunks;  // threads that share a chunk of the columns
  const int chunk = static_cast<int>(threadIdx.x) % chunks;
  const int first = static_cast<int>(threadIdx.x) / chunks;
  float sum[8] = {};
  for (int row = first; row < kBlockSize && first < lanes; row += lanes) {
    const char* from = source(row);
    const uint4 x = from != nullptr ? *reinterpret_cast<const uint4*>(from + chunk * 16) : uint4{0, 0, 0, 0};
    char* to = target(row);
    if (to != nullptr) *reinterpret_cast<uint4*>(to + chunk * 16) = x;
    const uint32_t pairs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
    for (int p = 0; p < 4; ++p) {
      const float2 values = unpack<T>(pairs[p]);
      sum[2 * p] += values.x;
      sum[2 * p + 1] += values.y;
    }
  }
  if (first < lanes) {
#pragma unroll
    for (int e = 0; e < 8; ++e) sums[first * head_dim + chunk * 8 + e] = sum[e];
  }
  __syncthreads();
  for (int d = static_cast<int>(threadIdx.x); d < head_dim; d += kPlainThreads) {
    float total = 0;
    for (int lane = 0; lane < lanes; ++lane) total += sums[lane * head_dim + d];
    mean[d] = total / kBlockSize;
  }
}

template <typename T>
__device__ __forceinline__ void pool_queries(const Call& call) {
  const int b = static_cast<int>(blockIdx.z);
  const int h = static_cast<int>(blockIdx.y);
  const int i = static_cast<int>(blockIdx.x);
  const BlockGrid grid = grid_of(call, b);
  if (i >= grid.q_blocks() || grid.is_dense()) return;
  const int rows = grid.rows(i);
  pool_block<T>(
      static_cast<int>(call.head_dim), mean_query(call, b, h, i),
      [&](int row) { return row < rows ? q_row(call, b, h, i * kBlockSize + row) : nullptr; },
      [](int) -> char* { return nullptr; });
}

// Rows past the last key become zeros.
template <typename T>
__device__ __forceinline__ void pack_keys(const Call& call) {
  const int b = static_cast<int>(blockIdx.z);
  const int oh = static_cast<int>(blockIdx.y);
  const int j = static_cast<int>(blockIdx.x);
  const int kv = kv_head(call, oh * heads_per_order(call));
  const int head_dim = static_cast<int>(call.head_dim);
  const int first = j * kBlockSize;
  const int* positions = order(call, b, oh) + first;
  pool_block<T>(
      head_dim, mean_key(call, b, oh, j),
      [&](int row) { return positions[row] != kNoPosition ? k_row(call, b, kv, positions[row]) : nullptr; },
      [&](int row) -> char* {
        return call.packed_k != 0 ? packed_row(call, call.packed_k, b, oh, first + row) : nullptr;
      });
  if (call.packed_v == 0) return;
  const int chunks = head_dim / 8;
  for (int n = static_cast<int>(threadIdx.x); n < kBlockSize * chunks; n += kPlainThreads) {
    const int row = n / chunks;
    const int chunk = n % chunks;
    *reinterpret_cast<uint4*>(packed_row(call, call.packed_v, b, oh, first + row) + chunk * 16) =
        positions[row] != kNoPosition ? *reinterpret_cast<const uint4*>(v_row(call, b, kv, positions[row]) + chunk * 16)
                                      : uint4{0, 0, 0, 0};
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_POOL_CUH_

// Scores keys by the attention that the last queries pay them: the mean over these queries of the softmax over the keys
// of the complete segments. Two passes over the keys, split among blocks of threads.
#ifndef PBS_ATTN_CUDA_KEY_SCORES_CUH_
#define PBS_ATTN_CUDA_KEY_SCORES_CUH_

#include "call.cuh"
#include "matrix_tile.cuh"
#include "softmax.cuh"
#include "tile_sizes.h"

namespace pbs {

constexpr float kSmallestScore = 1e-30f;  // a smaller score is kept as its logarithm

// The last queries of a sequence, and the part of its keys that this block of threads takes.
struct ScoreTask {
  int b;
  int h;
  int split;
  int first_query;
  int queries;
  int first_key;
  int end_key;

  __device__ explicit ScoreTask(const Call& call) {
    b = static_cast<int>(blockIdx.z);
    h = static_cast<int>(blockIdx.y);
    split = static_cast<int>(blockIdx.x);
    const BlockGrid grid = grid_of(call, b);
    queries = smaller(kBlockSize, grid.seqlen_q);
    first_query = grid.seqlen_q - queries;
    first_key = split * kKeysPerSplit;
    end_key = smaller(first_key + kKeysPerSplit, grid.complete_keys());
  }
  __device__ bool is_empty() const { return first_key >= end_key; }

  template <int kDim, int kThreads>
  __device__ __forceinline__ void copy_queries(const Call& call, const MatrixTile<kDim>& tile) const {
    tile.template copy_rows<kBlockSize, kThreads>(
        [&](int row) { return row < queries ? q_row(call, b, h, first_query + row) : nullptr; });
  }
  // Complete segments hold whole tiles.
  template <int kRows, int kDim, int kThreads>
  __device__ __forceinline__ void copy_keys(const Call& call, const MatrixTile<kDim>& tile, int key) const {
    const int kv = kv_head(call, h);
    tile.template copy_rows<kRows, kThreads>([&](int row) { return k_row(call, b, kv, key + row); });
  }
};

// Largest logit of each query and sum of its weights, over the split's keys.
template <typename T, int kDim>
__device__ __forceinline__ void score_sums(const Call& call) {
  using Tiles = ScoreTiles<kDim>;
  constexpr int kKeys = Tiles::kSumsKeys;
  const ScoreTask task(call);
  if (task.is_empty()) return;
  const uint32_t shared = shared_address(shared_memory());
  const MatrixTile<kDim> q{shared};
  const auto keys = [&](int stage) {
    return MatrixTile<kDim>{shared + static_cast<uint32_t>((kBlockSize + stage * kKeys) * kDim * 2)};
  };
  task.copy_queries<kDim, Tiles::kSumsThreads>(call, q);
  task.copy_keys<kKeys, kDim, Tiles::kSumsThreads>(call, keys(0), task.first_key);
  commit_copies();

  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const float scale_log2 = static_cast<float>(call.softmax_scale) * kLog2e;
  SoftmaxRows rows;
  rows.reset();
  int stage = 0;
  for (int key = task.first_key; key < task.end_key; key += kKeys) {
    if (key + kKeys < task.end_key) {
      task.copy_keys<kKeys, kDim, Tiles::kSumsThreads>(call, keys(stage ^ 1), key + kKeys);
    }
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    float logits[1][kKeys / 2] = {};
    multiply_transposed<T, 1, kKeys>(logits, q, warp * 16, keys(stage));
    float factor[2];
    rows.update(logits[0], scale_log2, factor);
    __syncthreads();
    stage ^= 1;
  }
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int64_t at = partial_index(call, task.b, task.h, task.split) + warp * 16 + lane / 4;
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    const float sum = row_sum(rows.sum[row]);
    if (lane % 4 == 0) {
      pointer<float>(call.partial_max)[at + 8 * row] = rows.max[row];
      pointer<float>(call.partial_sum)[at + 8 * row] = sum;
    }
  }
}

// log2 of what a query's weights have to be divided by, so that exp2(scale_log2 * logit - answer) adds up to a score.
// Infinite for a query that is padding.
__device__ inline float score_bias(const Call& call, const ScoreTask& task, int query, float scale_log2) {
  if (query >= task.queries) return -negative_infinity();
  const int splits = divide_up(grid_of(call, task.b).complete_keys(), kKeysPerSplit);
  const float* max = pointer<const float>(call.partial_max) + partial_index(call, task.b, task.h, 0) + query;
  const float* sum = pointer<const float>(call.partial_sum) + partial_index(call, task.b, task.h, 0) + query;
  float total_max = negative_infinity();
  for (int split = 0; split < splits; ++split) total_max = fmaxf(total_max, max[int64_t{split} * kBlockSize]);
  float total = 0;
  for (int split = 0; split < splits; ++split) {
    const int64_t at = int64_t{split} * kBlockSize;
    total += sum[at] * exp2_approx((max[at] - total_max) * scale_log2);
  }
  return total_max * scale_log2 + log2f(total * static_cast<float>(task.queries));
}

// A score from the logarithms (base 2) of its terms, of which the largest is known: as a number, or as its logarithm
// where it is so small that a sum of floats would have lost digits.
__device__ __forceinline__ float kept_score(float largest, float sum_over_largest) {
  const float score = exp2f(largest) * sum_over_largest;
  return score >= kSmallestScore ? score : (largest + log2f(sum_over_largest)) * kLn2;
}

template <typename T, int kDim>
__device__ __forceinline__ void score_keys(const Call& call) {
  using Tiles = ScoreTiles<kDim>;
  constexpr int kRows = Tiles::kKeysRows;
  const ScoreTask task(call);
  if (task.is_empty()) return;
  const uint32_t shared = shared_address(shared_memory());
  const MatrixTile<kDim> q{shared};
  const MatrixTile<kDim> keys{shared + kBlockSize * kDim * 2};
  float* bias = reinterpret_cast<float*>(shared_memory() + (kBlockSize + kRows) * kDim * 2);
  task.copy_queries<kDim, Tiles::kKeysThreads>(call, q);
  const float scale_log2 = static_cast<float>(call.softmax_scale) * kLog2e;
  if (threadIdx.x < kBlockSize) {
    bias[threadIdx.x] = score_bias(call, task, static_cast<int>(threadIdx.x), scale_log2);
  }
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  float* scores = key_scores(call, task.b, task.h);
  for (int key = task.first_key; key < task.end_key; key += kRows) {
    task.copy_keys<kRows, kDim, Tiles::kKeysThreads>(call, keys, key);
    commit_copies();
    wait_for_copies<0>();
    __syncthreads();
    float terms[1][kBlockSize / 2] = {};
    multiply_transposed<T, 1, kBlockSize>(terms, keys, warp * 16, q);
    __syncthreads();
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      float largest = negative_infinity();
#pragma unroll
      for (int n = 0; n < kBlockSize / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& x = terms[0][4 * n + 2 * row + e];
          x = fmaf(x, scale_log2, -bias[8 * n + lane % 4 * 2 + e]);
          largest = fmaxf(largest, x);
        }
      }
      largest = row_max(largest);
      float sum = 0;
#pragma unroll
      for (int n = 0; n < kBlockSize / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) sum += exp2_approx(terms[0][4 * n + 2 * row + e] - largest);
      }
      sum = row_sum(sum);
      if (lane % 4 == 0) scores[key + warp * 16 + 8 * row + lane / 4] = kept_score(largest, sum);
    }
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_KEY_SCORES_CUH_

// Scores the blocks by the means of their queries and reordered keys, keeps those that hold most of the mass, and lists
// the rows with the most work first.
#ifndef PBS_ATTN_CUDA_SELECT_CUH_
#define PBS_ATTN_CUDA_SELECT_CUH_

#include "bitonic_sort.cuh"
#include "call.cuh"
#include "check.cuh"
#include "softmax.cuh"

namespace pbs {

constexpr int kMaxSelectRows = PBS_CUDA_MAX_SELECT_ROWS;
constexpr int kPlainWarps = kPlainThreads / kWarpThreads;
constexpr int kMaxDimPerLane = 256 / kWarpThreads;

// Over all threads of the block; scratch has one number for each warp.
__device__ inline float block_max(float x, float* scratch) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) x = fmaxf(x, shuffle_xor(x, lanes));
  if (threadIdx.x % kWarpThreads == 0) scratch[threadIdx.x / kWarpThreads] = x;
  __syncthreads();
  x = scratch[0];
  for (int warp = 1; warp < kPlainWarps; ++warp) x = fmaxf(x, scratch[warp]);
  __syncthreads();
  return x;
}

// Sums over the threads of the block.
struct PrefixSum {
  double before;  // of the threads before this one
  double total;
};

// scratch has one number for each warp.
__device__ inline PrefixSum block_prefix_sum(double x, double* scratch) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  double sum = x;
#pragma unroll
  for (int distance = 1; distance < kWarpThreads; distance *= 2) {
    const double before = shuffle_up(sum, distance);
    if (lane >= distance) sum += before;
  }
  if (lane == kWarpThreads - 1) scratch[warp] = sum;
  __syncthreads();
  PrefixSum result{sum - x, 0};
  for (int w = 0; w < kPlainWarps; ++w) {
    if (w < warp) result.before += scratch[w];
    result.total += scratch[w];
  }
  __syncthreads();
  return result;
}

// Products of the mean queries of up to kMaxSelectRows blocks from i on with the first `columns` mean keys.
__device__ inline void score_blocks(const Call& call, int b, int h, int i, int rows, int columns, float* logits,
                                    int row_stride) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int head_dim = static_cast<int>(call.head_dim);
  const int oh = order_head(call, h);
  float q[kMaxSelectRows][kMaxDimPerLane] = {};
#pragma unroll
  for (int r = 0; r < kMaxSelectRows; ++r) {
#pragma unroll
    for (int n = 0; n < kMaxDimPerLane; ++n) {
      const int d = lane + n * kWarpThreads;
      if (r < rows && d < head_dim) q[r][n] = mean_query(call, b, h, i + r)[d];
    }
  }
  for (int j = warp; j < columns; j += kPlainWarps) {
    const float* key = mean_key(call, b, oh, j);
    float sums[kMaxSelectRows] = {};
#pragma unroll
    for (int n = 0; n < kMaxDimPerLane; ++n) {
      const int d = lane + n * kWarpThreads;
      const float k = d < head_dim ? key[d] : 0;
#pragma unroll
      for (int r = 0; r < kMaxSelectRows; ++r) sums[r] += q[r][n] * k;
    }
#pragma unroll
    for (int r = 0; r < kMaxSelectRows; ++r) {
#pragma unroll
      for (int lanes = 16; lanes > 0; lanes /= 2) sums[r] += shuffle_xor(sums[r], lanes);
      if (lane == 0 && r < rows) logits[r * row_stride + j] = sums[r];
    }
  }
  __syncthreads();
}

// Turns the products into weights exp(scale * (product - max)).
__device__ inline void weigh(const Call& call, float* row, int count, float* scratch) {
  float max = negative_infinity();
  for (int j = static_cast<int>(threadIdx.x); j < count; j += kPlainThreads) max = fmaxf(max, row[j]);
  max = block_max(max, scratch);
  const float scale_log2 = static_cast<float>(call.softmax_scale) * kLog2e;
  for (int j = static_cast<int>(threadIdx.x); j < count; j += kPlainThreads)
    row[j] = exp2f((row[j] - max) * scale_log2);
  __syncthreads();
}

// Marks the shortest prefix of the falling weights whose sum reaches the threshold's share of the total, which is
// answered. Blocks of equal weight come in their order.
__device__ inline double keep_by_score(const Call& call, const float* weights, int count, unsigned long long* ranked,
                                       double* scratch, unsigned* kept) {
  const int thread = static_cast<int>(threadIdx.x);
  const int sorted = power_of_two_from(count);
  for (int j = thread; j < sorted; j += kPlainThreads) {
    // Weights are not negative, so their bits order as they do.
    ranked[j] = j < count ? static_cast<unsigned long long>(~float_to_bits(weights[j])) << 32 | static_cast<unsigned>(j)
                          : ~0ull;
  }
  bitonic_sort(ranked, sorted);
  const auto weight = [&](int n) { return bits_to_float(~static_cast<uint32_t>(ranked[n] >> 32)); };
  const int share = divide_up(count, kPlainThreads);
  const int begin = smaller(thread * share, count);
  const int end = smaller(begin + share, count);
  double part = 0;
  for (int n = begin; n < end; ++n) part += weight(n);
  const PrefixSum sums = block_prefix_sum(part, scratch);
  double sum = sums.before;
  __shared__ int crossing;
  if (thread == 0) crossing = count;  // nobody reaches it: nothing is kept
  __syncthreads();
  for (int n = begin; n < end; ++n) {
    sum += weight(n);
    if (sum >= call.threshold * sums.total) {
      atomicMin(&crossing, n);
      break;
    }
  }
  __syncthreads();
  for (int n = thread; n <= crossing && crossing < count; n += kPlainThreads) {
    const unsigned j = static_cast<unsigned>(ranked[n] & 0xffffffffu);
    atomicOr(&kept[j / 32], 1u << (j % 32));
  }
  __syncthreads();
  return sums.total;
}

// Writes a row of the mask and how many blocks it has.
__device__ inline void finish_row(const Call& call, int b, int h, int i, const unsigned* kept) {
  const int words = mask_words(call);
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  unsigned long long* mask = mask_row(call, b, h, i);
  for (int w = static_cast<int>(threadIdx.x); w < words; w += kPlainThreads) {
    const unsigned long long bits = static_cast<unsigned long long>(kept[2 * w + 1]) << 32 | kept[2 * w];
    mask[w] = bits;
    if (bits != 0) atomicAdd(&count, count_bits(bits));
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    kept_counts(call, b, h)[i] = count;
    atomicAdd(&counters(call)[PBS_CUDA_KEPT_BLOCKS], static_cast<unsigned long long>(count));
  }
}

__device__ inline void record_scores(const Call& call, int b, int h, int i, const float* weights, int count,
                                     double total) {
  float* to = block_scores(call, b, h, i);
  if (to == nullptr) return;
  for (int j = static_cast<int>(threadIdx.x); j < max_k_blocks(call); j += kPlainThreads) {
    to[j] = j < count ? static_cast<float>(weights[j] / total) : 0;
  }
}

constexpr int kMaxMaskWords = PBS_CUDA_MAX_SEQLEN_K / kBlockSize / 32;  // of 32 bits

__device__ inline void select_blocks(const Call& call) {
  __shared__ double scratch[kPlainWarps];
  __shared__ unsigned kept[kMaxMaskWords];
  const int b = static_cast<int>(blockIdx.z);
  const int h = static_cast<int>(blockIdx.y);
  const int first_row = static_cast<int>(blockIdx.x) * static_cast<int>(call.select_rows);
  const BlockGrid grid = grid_of(call, b);
  const int rows = smaller(static_cast<int>(call.select_rows), max_q_blocks(call) - first_row);
  const int q_rows = larger(0, smaller(rows, grid.q_blocks() - first_row));  // that are not padding
  unsigned long long* ranked = reinterpret_cast<unsigned long long*>(shared_memory());
  float* weights = reinterpret_cast<float*>(ranked + power_of_two_from(max_k_blocks(call)));
  const int stride = max_k_blocks(call);
  if (q_rows > 0 && !grid.is_dense()) {
    score_blocks(call, b, h, first_row, q_rows, grid.candidates(first_row + q_rows - 1), weights, stride);
  }
  for (int r = 0; r < rows; ++r) {
    const int i = first_row + r;
    const int candidates = r < q_rows ? grid.candidates(i) : 0;
    const int visible = r < q_rows ? grid.visible(i) : 0;
    const bool all = grid.is_dense();
    const bool by_score = !all && candidates > 0 && call.threshold < 1;
    // Everything between the two is kept: the own segment, and the candidates too where the scores do not decide.
    const int kept_from = by_score ? candidates : 0;
    for (int w = static_cast<int>(threadIdx.x); w < 2 * mask_words(call); w += kPlainThreads) {
      const int low = larger(kept_from - 32 * w, 0);
      const int high = smaller(visible - 32 * w, 32);
      kept[w] = low < high ? (high == 32 ? ~0u : (1u << high) - 1) & ~((1u << low) - 1) : 0;
    }
    __syncthreads();
    float* row = weights + r * stride;
    double total = 1;
    if (!all && candidates > 0) weigh(call, row, candidates, reinterpret_cast<float*>(scratch));
    if (by_score) {
      total = keep_by_score(call, row, candidates, ranked, scratch, kept);
      const int first = *first_block(call, b, order_head(call, h));
      if (call.force_first_block != 0 && first < candidates && threadIdx.x == 0) kept[first / 32] |= 1u << (first % 32);
      __syncthreads();
    } else if (!all && candidates > 0 && call.block_scores != 0) {
      double part = 0;
      for (int j = static_cast<int>(threadIdx.x); j < candidates; j += kPlainThreads) part += row[j];
      total = block_prefix_sum(part, scratch).total;
    }
    record_scores(call, b, h, i, row, all ? 0 : candidates, total);
    finish_row(call, b, h, i, kept);
    __syncthreads();
  }
}

// Query blocks of a head, those with the most kept blocks first.
__device__ inline void schedule_rows(const Call& call) {
  constexpr unsigned kRowBits = 14;
  constexpr unsigned kMaxCount = (1u << kRowBits) - 1;
  const int h = static_cast<int>(blockIdx.x);
  const int b = static_cast<int>(blockIdx.y);
  const int rows = max_q_blocks(call);
  const int q_blocks = grid_of(call, b).q_blocks();
  const int* counts = kept_counts(call, b, h);
  unsigned* ranked = reinterpret_cast<unsigned*>(shared_memory());
  const int sorted = power_of_two_from(rows);
  for (int i = static_cast<int>(threadIdx.x); i < sorted; i += kPlainThreads) {
    ranked[i] =
        i < q_blocks ? (kMaxCount - static_cast<unsigned>(counts[i])) << kRowBits | static_cast<unsigned>(i) : ~0u;
  }
  bitonic_sort(ranked, sorted);
  for (int n = static_cast<int>(threadIdx.x); n < rows; n += kPlainThreads) {
    work_rows(call, b, h)[n] = n < q_blocks ? static_cast<int>(ranked[n] & kMaxCount) : -1;
  }
  if (b == 0 && h == 0 && threadIdx.x == 0) counters(call)[PBS_CUDA_NEXT_WORK] = 0;
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_SELECT_CUH_

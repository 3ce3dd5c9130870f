// Online softmax of the rows that a thread has a part of: of each tile of 16 rows two, each shared with three other
// lanes.
#ifndef PBS_ATTN_CUDA_SOFTMAX_CUH_
#define PBS_ATTN_CUDA_SOFTMAX_CUH_

#include "platform.cuh"

namespace pbs {

constexpr float kLog2e = 1.44269504f;
constexpr float kLn2 = 0.69314718f;

// Over the four lanes that share a row.
__device__ __forceinline__ float row_max(float x) {
  x = fmaxf(x, shuffle_xor(x, 1));
  return fmaxf(x, shuffle_xor(x, 2));
}

__device__ __forceinline__ float row_sum(float x) {
  x += shuffle_xor(x, 1);
  return x + shuffle_xor(x, 2);
}

__device__ __forceinline__ float negative_infinity() { return bits_to_float(0xff800000u); }

struct SoftmaxRows {
  float max[2];  // the largest logit so far, before the scale
  float sum[2];  // this lane's part of the sum of exp(scale * (logit - max))

  __device__ __forceinline__ void reset() {
    max[0] = max[1] = negative_infinity();
    sum[0] = sum[1] = 0;
  }

  // Turns logits into exp(scale * (logit - max)) with the new largest logit, and answers what the earlier weights have
  // to be multiplied with. Elements 4 n and 4 n + 1 are of row 0, the next two of row 1. scale_log2 = scale * log2(e).
  template <int kElements>
  __device__ __forceinline__ void update(float (&logits)[kElements], float scale_log2, float (&factor)[2]) {
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      float new_max = max[row];
#pragma unroll
      for (int n = 0; n < kElements / 4; ++n) {
        new_max = fmaxf(new_max, fmaxf(logits[4 * n + 2 * row], logits[4 * n + 2 * row + 1]));
      }
      new_max = row_max(new_max);
      // A row that has seen no key yet: all weights are 0.
      const float reference = new_max == negative_infinity() ? 0 : new_max * scale_log2;
      factor[row] = exp2_approx(fmaf(max[row], scale_log2, -reference));
      float part = 0;
#pragma unroll
      for (int n = 0; n < kElements / 4; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& x = logits[4 * n + 2 * row + e];
          x = exp2_approx(fmaf(x, scale_log2, -reference));
          part += x;
        }
      }
      sum[row] = sum[row] * factor[row] + part;
      max[row] = new_max;
    }
  }

  // Adds up the lanes' parts; answers 1 / sum of each row and the log of the sum of exp(scale * logit).
  __device__ __forceinline__ void finish(float scale, float (&inverse)[2], float (&lse)[2]) {
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      sum[row] = row_sum(sum[row]);
      inverse[row] = sum[row] > 0 ? 1 / sum[row] : 0;
      lse[row] = sum[row] > 0 ? max[row] * scale + logf(sum[row]) : negative_infinity();
    }
  }
};

// Multiplies a tile's rows; the largest logits hardly ever change after the first tiles.
template <int kElements>
__device__ __forceinline__ void scale_rows(float (&tile)[kElements], const float (&factor)[2]) {
  if (!holds_for_any(factor[0] != 1 || factor[1] != 1)) return;
#pragma unroll
  for (int n = 0; n < kElements / 4; ++n) {
    tile[4 * n] *= factor[0];
    tile[4 * n + 1] *= factor[0];
    tile[4 * n + 2] *= factor[1];
    tile[4 * n + 3] *= factor[1];
  }
}

}  // namespace pbs

#endif  // PBS_ATTN_CUDA_SOFTMAX_CUH_

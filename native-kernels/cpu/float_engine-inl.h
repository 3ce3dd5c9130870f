// The engine in float32: of every element type, on every instruction set.
#ifndef PBS_ATTN_CPU_FLOAT_ENGINE_INL_H_
#define PBS_ATTN_CPU_FLOAT_ENGINE_INL_H_

#include "attend-inl.h"
#include "gemm-inl.h"
#include "rows-inl.h"
#include "softmax-inl.h"
#include "transpose-inl.h"
#include "vector-inl.h"

struct FloatEngine {
  static constexpr int64_t kElementSize = sizeof(float);

  static void gather_queries(const Rows& rows, int64_t count, int64_t padded_dim, void* packed) {
    float floats[kStripWidth * kMaxDim];
    gather_floats(rows, nullptr, count, kStripWidth, padded_dim, floats);
    transpose(kStripWidth, padded_dim, reinterpret_cast<const uint32_t*>(floats), padded_dim,
              static_cast<uint32_t*>(packed), kStripWidth);
  }

  static void gather_keys(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed, float* sums) {
    gather_floats(rows, indices, count, padded_count, padded_dim, packed);
    sum_gathered(rows, indices, count, padded_dim, sums);
  }

  // Values as (dim / kPadding, keys, kPadding), so that what add_values reads for a few columns lies close together.
  static void gather_values(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
    gather_chunks(rows, indices, count, padded_count, padded_dim, kPadding, kPadding * padded_count,
                  static_cast<float*>(packed));
  }

  static void multiply_keys(const TileShape& shape, const void* keys, int64_t key_stride_bytes, const void* q,
                            float* result, const char* ahead) {
    gemm_strip<FloatUnit>(shape.keys, shape.dim, static_cast<const float*>(keys), key_stride_bytes / kElementSize, 1,
                          static_cast<const float*>(q), kStripWidth, result, kStripWidth, nullptr, ahead);
  }

  static void weigh_keys(const TileShape& shape, const VecF* shift, float* logits, VecF* total) {
    VecF sum[kNv] = {};
    for (int64_t j = 0; j < shape.keys; ++j) {
#pragma GCC unroll 8
      for (int v = 0; v < kNv; ++v) {
        float* at = logits + j * kStripWidth + v * kWidth;
        const VecF e = exp_from(load<VecF>(at), shift[v], shape.scale);
        store(at, e);
        sum[v] += e;
      }
    }
    for (int v = 0; v < kNv; ++v) total[v] += sum[v];
  }

  static void add_values(const TileShape& shape, const void* values, const float* weights, bool, const float* shrink,
                         float* o, const char* ahead) {
    multiply_values<FloatUnit>(shape.dim, shape.keys, values, weights, shrink, o, ahead);
  }
};

constexpr Engine kFloatEngine = {PBS_ATTN_FLOAT32,           FloatEngine::gather_queries, FloatEngine::gather_keys,
                                 FloatEngine::gather_values, logits<FloatEngine>,         attend<FloatEngine>,
                                 score_keys<FloatEngine>};

#endif  // PBS_ATTN_CPU_FLOAT_ENGINE_INL_H_

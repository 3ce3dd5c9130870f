// Matrix products in register tiles of kMr rows by kNv vectors.
#ifndef PBS_ATTN_CPU_GEMM_INL_H_
#define PBS_ATTN_CPU_GEMM_INL_H_

#include "vector-inl.h"

// Units of 4 bytes: a float, or two bfloat16 that are multiplied and added at once.
struct FloatUnit {
  typedef float Unit;
  static VecF multiply_add(VecF sum, Unit a, VecF b) { return sum + broadcast(a) * b; }
};

// Steps of a product between two tests for its end. k is a multiple of it.
constexpr int64_t kUnroll = 8;

// One register tile: kRows rows by kVecs vectors of a b, where a(r, i) = a[r * a_row + i * a_step]. Without `shrink` it
// replaces c; with it c (m, n) becomes c shrink(n) + a b. On the way it fetches one byte from `ahead` on for kParts
// bytes of a.
template <typename U, int kRows, int kVecs>
inline void gemm_tile(int64_t k, const typename U::Unit* a, int64_t a_row, int64_t a_step, const float* b, int64_t ldb,
                      float* c, int64_t ldc, const float* shrink, const char* ahead) {
  VecF acc[kRows][kVecs] = {};
  for (int64_t step = 0; step < k; step += kUnroll) {
    fetch(ahead + step * kRows * static_cast<int64_t>(sizeof(*a)) / kParts);
#pragma GCC unroll 8
    for (int64_t i = step; i < step + kUnroll; ++i) {
      VecF row[kVecs];
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) row[v] = load<VecF>(b + i * ldb + v * kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const typename U::Unit x = a[r * a_row + i * a_step];
#pragma GCC unroll 8
        for (int v = 0; v < kVecs; ++v) acc[r][v] = U::multiply_add(acc[r][v], x, row[v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      float* to = c + r * ldc + v * kWidth;
      store(to, shrink == nullptr ? acc[r][v] : load<VecF>(to) * load<VecF>(shrink + v * kWidth) + acc[r][v]);
    }
  }
}

// All rows of a tile that is kStripWidth wide.
template <typename U>
inline void gemm_strip(int64_t m, int64_t k, const typename U::Unit* a, int64_t a_row, int64_t a_step, const float* b,
                       int64_t ldb, float* c, int64_t ldc, const float* shrink, const char* ahead) {
  const int64_t ahead_row = k * static_cast<int64_t>(sizeof(*a)) / kParts;
  const int64_t whole = m / kMr * kMr;
  for (int64_t i = 0; i < whole; i += kMr) {
    gemm_tile<U, kMr, kNv>(k, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc, shrink, ahead + i * ahead_row);
  }
  for (int64_t i = whole; i < m; ++i) {
    gemm_tile<U, 1, kNv>(k, a + i * a_row, a_row, a_step, b, ldb, c + i * ldc, ldc, shrink, ahead + i * ahead_row);
  }
}

// o (dim, kStripWidth) shrunk, plus the values, (dim / kPadding, units, kPadding), times the weights (units,
// kStripWidth).
template <typename U>
inline void multiply_values(int64_t dim, int64_t units, const void* values, const float* weights, const float* shrink,
                            float* o, const char* ahead) {
  typedef typename U::Unit Unit;
  for (int64_t d = 0; d < dim; d += kPadding) {
    gemm_strip<U>(kPadding, units, static_cast<const Unit*>(values) + d * units, 1, kPadding, weights, kStripWidth,
                  o + d * kStripWidth, kStripWidth, shrink,
                  ahead + d * units * static_cast<int64_t>(sizeof(Unit)) / kParts);
  }
}

inline void gemm(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
                 int64_t ldc) {
  const char* nothing_else = reinterpret_cast<const char*>(a);
  for (int64_t j = 0; j < n; j += kStripWidth) {
    gemm_strip<FloatUnit>(m, k, a, lda, 1, b + j, ldb, c + j, ldc, nullptr, nothing_else);
  }
}

#endif  // PBS_ATTN_CPU_GEMM_INL_H_

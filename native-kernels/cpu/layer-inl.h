// The vector code around attention.
#ifndef PBS_ATTN_CPU_LAYER_INL_H_
#define PBS_ATTN_CPU_LAYER_INL_H_

#include "element-inl.h"
#include "gemm-inl.h"
#include "rows-inl.h"
#include "vector-inl.h"

constexpr int64_t kChunk = kPadding;  // elements that are in registers as floats

// Calls f(first, count) for chunks of at most kChunk of n elements; count is a constant in all but the last.
template <typename F>
inline void for_chunks(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + kChunk <= n; i += kChunk) f(i, kChunk);
  if (i < n) f(i, n - i);
}

template <typename T>
inline void load_floats(T type, const void* x, int64_t first, int64_t count, float* to) {
  typedef typename T::Bits Bits;
  for (int64_t i = 0; i < count; ++i) to[i] = type.to_float(load<Bits>(static_cast<const Bits*>(x) + first + i));
}

template <typename T>
inline void store_floats(T type, const float* from, int64_t first, int64_t count, void* y) {
  typedef typename T::Bits Bits;
  for (int64_t i = 0; i < count; ++i) store(static_cast<Bits*>(y) + first + i, type.from_float(from[i]));
}

inline void rms_norm(int64_t n, const float* x, const float* weight, float eps, int32_t dtype, void* y) {
  VecF sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    for (int v = 0; v < 4; ++v) {
      const VecF a = load<VecF>(x + i + v * kWidth);
      sums[v] += a * a;
    }
  }
  float sum = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) sum += x[i] * x[i];
  const float factor = 1 / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
  with_type(dtype, [&](auto type) {
    for_chunks(n, [&](int64_t first, int64_t count) {
      float chunk[kChunk];
      for (int64_t j = 0; j < count; ++j) chunk[j] = x[first + j] * factor * weight[first + j];
      store_floats(type, chunk, first, count, y);
    });
  });
}

inline void rotate(int32_t dtype, int64_t half, const void* x, const float* cosines, const float* sines, void* y) {
  with_type(dtype, [&](auto type) {
    for_chunks(half, [&](int64_t first, int64_t count) {
      float a[kChunk], b[kChunk];
      load_floats(type, x, first, count, a);
      load_floats(type, x, half + first, count, b);
      for (int64_t i = 0; i < count; ++i) {
        const float c = cosines[first + i], s = sines[first + i];
        const float rotated = a[i] * c - b[i] * s;
        b[i] = b[i] * c + a[i] * s;
        a[i] = rotated;
      }
      store_floats(type, a, first, count, y);
      store_floats(type, b, half + first, count, y);
    });
  });
}

inline void split(int64_t n, const void* x, float* even, float* odd) {
  const uint16_t* from = static_cast<const uint16_t*>(x);
  for (int64_t i = 0; i < n; ++i) (i % 2 == 0 ? even : odd)[i / 2] = Bfloat16::to_float(load<uint16_t>(from + i));
}

// The sums of kWidth vectors, each in its own lane.
inline VecF sums_of_lanes(const VecF* rows) {
#ifdef __AVX512F__
  // Adds neighbours of two vectors at a time, until one vector is left.
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  VecF level[kWidth];
  for (int r = 0; r < kWidth; ++r) level[r] = rows[r];
#pragma GCC unroll 4
  for (int n = kWidth / 2; n >= 1; n /= 2) {
#pragma GCC unroll 8
    for (int r = 0; r < n; ++r) {
      const __m512 a = (__m512)level[2 * r], b = (__m512)level[2 * r + 1];
      level[r] = (VecF)_mm512_permutex2var_ps(a, even, b) + (VecF)_mm512_permutex2var_ps(a, odd, b);
    }
  }
  return level[0];
#else
  float sums[kWidth];
  for (int r = 0; r < kWidth; ++r) sums[r] = sum_lanes(rows[r]);
  return load<VecF>(sums);
#endif
}

// How far ahead rows are fetched that memory delivers: hardware alone gets three quarters of its bandwidth.
constexpr int64_t kAheadBytes = 2048;

// Two bfloat16 lie in a word: the lower becomes a float by a shift, the upper by a mask. Each is read once for kRows
// rows of x; totals are kWidth apart.
template <int kRows>
inline void dot_row(const char* row, int64_t words, const float* x, int64_t half, VecF* totals) {
  constexpr int kSums = kRows == 1 ? 2 : 1;  // of each half and row: as many as hide how long an addition takes
  VecF sums[kRows][2 * kSums] = {};
  for (int64_t i = 0; i < words; i += 2 * kWidth) {
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const int64_t at = i + v * kWidth;
      const VecI pair = load<VecI>(row + at * 4);
      fetch(row + at * 4 + kAheadBytes);
      const VecF low = (VecF)(pair << 16), high = (VecF)(pair & ~0xffff);
#pragma GCC unroll 4
      for (int n = 0; n < kRows; ++n) {
        const float* even = x + 2 * n * half + at;
        sums[n][v % kSums] += low * load<VecF>(even);
        sums[n][kSums + v % kSums] += high * load<VecF>(even + half);
      }
    }
  }
  for (int n = 0; n < kRows; ++n) {
    totals[n * kWidth] = sums[n][0] + sums[n][1];
    if (kSums == 2) totals[n * kWidth] += sums[n][2] + sums[n][3];
  }
}

constexpr int64_t kDotRows = 4;  // of x at a time: their sums stay in registers

inline void dot_row(const char* row, int64_t words, const float* x, int64_t half, int64_t count, VecF* totals) {
  switch (count) {
    case 1:
      return dot_row<1>(row, words, x, half, totals);
    case 2:
      return dot_row<2>(row, words, x, half, totals);
    case 3:
      return dot_row<3>(row, words, x, half, totals);
    default:
      return dot_row<kDotRows>(row, words, x, half, totals);
  }
}

// The products of at most kWidth rows with at most kDotRows of x.
inline void dot_tile(const Rows& rows, int64_t count, const SplitRows& x, float* out, int64_t out_ld) {
  const int64_t words = rows.dim / 2 / (2 * kWidth) * (2 * kWidth);
  VecF totals[kDotRows * kWidth] = {};
  for (int64_t r = 0; r < count; ++r) dot_row(row_at(rows, r), words, x.first, x.half, x.count, totals + r);
  for (int64_t n = 0; n < x.count; ++n) {
    const float* even = x.first + 2 * n * x.half;
    float sums[kWidth];
    store(sums, sums_of_lanes(totals + n * kWidth));
    for (int64_t r = 0; r < count; ++r) {
      const uint16_t* row = reinterpret_cast<const uint16_t*>(row_at(rows, r));
      for (int64_t i = 2 * words; i < rows.dim; ++i) {
        sums[r] += Bfloat16::to_float(load<uint16_t>(row + i)) * even[i % 2 * x.half + i / 2];
      }
      out[n * out_ld + r] = sums[r];
    }
  }
}

inline void dot_rows(const Rows& rows, int64_t count, const SplitRows& x, float* out, int64_t out_ld) {
  for (int64_t r = 0; r < count; r += kWidth) {
    const Rows tile = {rows.dtype, row_at(rows, r), rows.stride_bytes, rows.dim};
    for (int64_t n = 0; n < x.count; n += kDotRows) {
      const int64_t together = x.count - n < kDotRows ? x.count - n : kDotRows;
      dot_tile(tile, count - r < kWidth ? count - r : kWidth, {x.first + 2 * n * x.half, together, x.half},
               out + n * out_ld + r, out_ld);
    }
  }
}

// kVecs vectors of columns, whose sums stay in registers.
template <int kVecs>
inline void add_columns(const Rows& rows, int64_t count, int64_t first, const float* weights, float* sums) {
  VecF totals[kVecs];
  for (int v = 0; v < kVecs; ++v) totals[v] = load<VecF>(sums + first + v * kWidth);
  for (int64_t r = 0; r < count; ++r) {
    const uint16_t* row = reinterpret_cast<const uint16_t*>(row_at(rows, r)) + first;
    const VecF weight = broadcast(weights[r]);
    fetch(reinterpret_cast<const char*>(row) + kAheadBytes);
#pragma GCC unroll 4
    for (int v = 0; v < kVecs; ++v) totals[v] += weight * Bfloat16::to_floats(row + v * kWidth);
  }
  for (int v = 0; v < kVecs; ++v) store(sums + first + v * kWidth, totals[v]);
}

inline void add_rows(const Rows& rows, int64_t count, const float* weights, float* sums) {
  int64_t i = 0;
  for (; i + 4 * kWidth <= rows.dim; i += 4 * kWidth) add_columns<4>(rows, count, i, weights, sums);
  for (; i + kWidth <= rows.dim; i += kWidth) add_columns<1>(rows, count, i, weights, sums);
  for (; i < rows.dim; ++i) {
    for (int64_t r = 0; r < count; ++r) {
      sums[i] +=
          weights[r] * Bfloat16::to_float(load<uint16_t>(reinterpret_cast<const uint16_t*>(row_at(rows, r)) + i));
    }
  }
}

inline VecF silu(VecF x) {
  // Below -87 the result is 0 but for 1e-36, and a float would not hold e^-x. Above 87 a float would not hold all
  // digits of e^-x, which takes CPUs long.
  x = x < -87.0f ? broadcast(-87) : x;
  VecF y = x * -kLog2E;
  y = y < -126.0f ? broadcast(-126) : y;
  return x / (1 + exp2(y));
}

// Fetches one that comes soon.
inline void finish_row(const Result& result, int64_t row) {
  constexpr int64_t kAheadRows = 4;
  char* y = static_cast<char*>(result.y.first) + row * result.y.stride_bytes;
  const float* sums = result.sums + row * result.ld;
  with_type(result.y.dtype, [&](auto type) {
    const int64_t bytes = result.y.dim * static_cast<int64_t>(sizeof(typename decltype(type)::Bits));
    for (int64_t i = 0; i < bytes; i += 64) fetch(y + kAheadRows * result.y.stride_bytes + i);
    for_chunks(result.y.dim, [&](int64_t first, int64_t count) {
      float chunk[kChunk] = {}, other[kChunk];
      const auto load_sums = [&](const float* from, const float* bias, float* to) {
        for (int64_t i = 0; i < count; ++i) to[i] = from[first + i] + (bias == nullptr ? 0 : bias[first + i]);
      };
      load_sums(sums, result.bias, chunk);
      if (result.ups != nullptr) {
        load_sums(result.ups + row * result.ld, result.up_bias, other);
        for (int64_t v = 0; v < kChunk; v += kWidth) store(chunk + v, silu(load<VecF>(chunk + v)));
        for (int64_t i = 0; i < count; ++i) chunk[i] *= other[i];
      } else if (result.add) {
        load_floats(type, y, first, count, other);
        for (int64_t i = 0; i < count; ++i) chunk[i] += other[i];
      }
      store_floats(type, chunk, first, count, y);
    });
  });
}

inline void finish(const Result* results, int64_t count) {
  for (int64_t row = 0; row < results->rows; ++row) {
    for (int64_t i = 0; i < count; ++i) finish_row(results[i], row);
  }
}

inline void to_floats(int64_t n, const void* x, float* y) {
  for_chunks(n, [&](int64_t first, int64_t count) { load_floats(Bfloat16{}, x, first, count, y + first); });
}

constexpr LayerKernels make_layer_kernels(const MatrixUnit* matrix_unit) {
  return {matrix_unit, rms_norm, rotate, split, dot_rows, add_rows, finish, to_floats};
}

#endif  // PBS_ATTN_CPU_LAYER_INL_H_

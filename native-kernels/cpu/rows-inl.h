// Rows of elements in memory: their sums, rows as floats, and outputs as rows.
#ifndef PBS_ATTN_CPU_ROWS_INL_H_
#define PBS_ATTN_CPU_ROWS_INL_H_

#include "element-inl.h"
#include "transpose-inl.h"
#include "vector-inl.h"

inline const char* row_at(const Rows& rows, int64_t r) {
  return static_cast<const char*>(rows.first) + r * rows.stride_bytes;
}

// Sums of kVecs vectors of columns from `first` on, which stay in registers. index(r) is that of the r-th row.
template <int kVecs, typename T, typename P>
inline void sum_columns(const T& type, const Rows& rows, int64_t count, const P& index, int64_t first, float* sums) {
  VecF total[kVecs] = {};
  for (int64_t r = 0; r < count; ++r) {
    const auto* row = reinterpret_cast<const typename T::Bits*>(row_at(rows, index(r))) + first;
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) total[v] += type.to_floats(row + v * kWidth);
  }
  for (int v = 0; v < kVecs; ++v) store(sums + first + v * kWidth, total[v]);
}

template <typename P>
inline void sum_rows_at(const Rows& rows, int64_t count, const P& index, float* sums) {
  with_type(rows.dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    int64_t i = 0;
    for (; i + 8 * kWidth <= rows.dim; i += 8 * kWidth) sum_columns<8>(type, rows, count, index, i, sums);
    for (; i + 4 * kWidth <= rows.dim; i += 4 * kWidth) sum_columns<4>(type, rows, count, index, i, sums);
    for (; i + kWidth <= rows.dim; i += kWidth) sum_columns<1>(type, rows, count, index, i, sums);
    for (; i < rows.dim; ++i) {
      sums[i] = 0;
      for (int64_t r = 0; r < count; ++r) {
        sums[i] += type.to_float(load<Bits>(reinterpret_cast<const Bits*>(row_at(rows, index(r))) + i));
      }
    }
  });
}

inline void sum_rows(const Rows& rows, int64_t count, float* sums) {
  sum_rows_at(
      rows, count, [](int64_t r) { return r; }, sums);
}

// The part of Engine::gather_keys that is the same for most.
inline void sum_gathered(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_dim, float* sums) {
  if (sums == nullptr) return;
  sum_rows_at(
      rows, count, [&](int64_t r) { return indices[r]; }, sums);
  for (int64_t i = rows.dim; i < padded_dim; ++i) sums[i] = 0;
}

// Reads rows in chunks of kPadding elements; row_ld and chunk_ld are floats from one to the next in `to`.
inline void gather_chunks(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                          int64_t padded_dim, int64_t row_ld, int64_t chunk_ld, float* to) {
  with_type(rows.dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    for (int64_t r = 0; r < count; ++r) {
      const Bits* from = reinterpret_cast<const Bits*>(row_at(rows, indices == nullptr ? r : indices[r]));
      float* chunk = to + r * row_ld;
      int64_t i = 0;
      for (; i + kPadding <= rows.dim; i += kPadding, chunk += chunk_ld) {
        for (int64_t n = 0; n < kPadding; ++n) chunk[n] = type.to_float(load<Bits>(from + i + n));
      }
      for (int64_t n = i; n < rows.dim; ++n) chunk[n - i] = type.to_float(load<Bits>(from + n));
      for (int64_t n = rows.dim; n < padded_dim; ++n) chunk[n - i] = 0;
    }
  });
  for (int64_t r = count; r < padded_count; ++r) {
    for (int64_t c = 0; c < padded_dim / kPadding; ++c) {
      __builtin_memset(to + r * row_ld + c * chunk_ld, 0, kPadding * sizeof(float));
    }
  }
}

inline void gather_floats(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed) {
  gather_chunks(rows, indices, count, padded_count, padded_dim, padded_dim, kPadding, static_cast<float*>(packed));
}

// Rows of elements from o (padded dim, kStripWidth) times factor (kStripWidth): elements that make a unit of 4 bytes
// stay together when units are transposed.
inline void store_output(const float* o, const float* factor, const Rows& rows, int64_t count) {
  constexpr int64_t kUnits = 16;
  with_type(rows.dtype, [&](auto type) {
    typedef typename decltype(type)::Bits Bits;
    constexpr int64_t kElements = sizeof(uint32_t) / sizeof(Bits), kColumns = kUnits * kElements;
    for (int64_t d = 0; d < rows.dim; d += kColumns) {
      uint32_t units[kUnits * kStripWidth] = {}, transposed[kStripWidth * kUnits];
      for (int64_t i = 0; i < kColumns; ++i) {
        uint32_t* to = units + i / kElements * kStripWidth;
        const int64_t shift = i % kElements * 8 * static_cast<int64_t>(sizeof(Bits));
        for (int64_t q = 0; q < kStripWidth; ++q) {
          to[q] |= static_cast<uint32_t>(type.from_float(o[(d + i) * kStripWidth + q] * factor[q])) << shift;
        }
      }
      transpose(kUnits, kStripWidth, units, kStripWidth, transposed, kUnits);
      const int64_t rest = (rows.dim - d) * static_cast<int64_t>(sizeof(Bits));
      char* to = const_cast<char*>(static_cast<const char*>(rows.first)) + d * static_cast<int64_t>(sizeof(Bits));
      for (int64_t q = 0; q < count; ++q, to += rows.stride_bytes) {
        if (rest >= kUnits * 4) {
          __builtin_memcpy(to, transposed + q * kUnits, kUnits * 4);
        } else {
          __builtin_memcpy(to, transposed + q * kUnits, static_cast<size_t>(rest));
        }
      }
    }
  });
}

#endif  // PBS_ATTN_CPU_ROWS_INL_H_

// Rows of bfloat16 packed for AMX's tiles.
#ifndef PBS_ATTN_CPU_AMX_ROWS_INL_H_
#define PBS_ATTN_CPU_AMX_ROWS_INL_H_

#include "bfloat16_rows-inl.h"
#include "tile_products-inl.h"
#include "vector-inl.h"

constexpr int64_t kElementBytes = 2;

// Packs a row of `bytes`, in k-steps of two tiles, to where it belongs in the first of them; what is past it, or all of
// it if it is null, is zero.
inline void pack_row(const char* row, int64_t bytes, int64_t steps, char* packed) {
  int64_t step = 0;
  if (row != nullptr) {
    const int64_t whole = bytes / 64 < steps ? bytes / 64 : steps;
    for (; step < whole; ++step) __builtin_memcpy(packed + step * 2 * kTileBytes, row + step * 64, 64);
  }
  for (; step < steps; ++step) {
    char* to = packed + step * 2 * kTileBytes;
    __builtin_memset(to, 0, 64);
    const int64_t rest = row != nullptr ? bytes - step * 64 : 0;
    if (rest > 0) __builtin_memcpy(to, row + step * 64, static_cast<size_t>(rest));
  }
}

// Gathers kSteps times 32 columns of the keys, from `first` on, and adds them up.
template <int kSteps>
inline void gather_key_columns(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                               int64_t padded_dim, int64_t first, char* packed, float* sums) {
  const auto at = [&](int64_t r, int s) PBS_ATTN_INLINED {
    return packed + r / 32 * 32 * padded_dim * kElementBytes + (first / 32 + s) * 2 * kTileBytes + r % 32 * 64;
  };
  __mmask32 there[kSteps];  // which columns are not padding
  for (int s = 0; s < kSteps; ++s) {
    const int64_t columns = rows.dim - first - s * 32;
    there[s] = columns >= 32 ? ~0u : columns > 0 ? (1u << columns) - 1 : 0;
  }
  VecF even[kSteps] = {}, odd[kSteps] = {};
  for (int64_t r = 0; r < count; ++r) {
    const char* row = row_at(rows, indices[r]) + first * kElementBytes;
#pragma GCC unroll 4
    for (int s = 0; s < kSteps; ++s) {
      const __m512i x = _mm512_maskz_loadu_epi16(there[s], row + s * 64);
      store(at(r, s), x);
      even[s] += (VecF)((VecU)x << 16);
      odd[s] += (VecF)((VecU)x & 0xffff0000u);
    }
  }
  for (int64_t r = count; r < padded_count; ++r) {
    for (int s = 0; s < kSteps; ++s) store(at(r, s), VecF{});
  }
  if (sums == nullptr) return;
  for (int s = 0; s < kSteps; ++s) {
    for (int i = 0; i < kWidth; ++i) {
      sums[first + s * 32 + 2 * i] = even[s][i];
      sums[first + s * 32 + 2 * i + 1] = odd[s][i];
    }
  }
}

// to (8 rows of 32 elements) = the 8 elements at `offset` (bytes) of each of 32 rows, transposed. A quarter of a vector
// has 8 of the rows, so that no element has to leave its quarter.
inline void transpose_8(const char* const* from, int64_t offset, char* to) {
  const auto piece = [&](int row) PBS_ATTN_INLINED { return load<__m128i>(from[row] + offset); };
  __m512i x[8], pairs[8], fours[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    x[i] = _mm512_castsi128_si512(piece(i));
    x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x00f0, piece(8 + i));
    x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x0f00, piece(16 + i));
    x[i] = _mm512_mask_broadcast_i32x4(x[i], 0xf000, piece(24 + i));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_epi16(x[i], x[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi16(x[i], x[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm512_maskz_unpacklo_epi32(0xffff, pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_maskz_unpackhi_epi32(0xffff, pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_maskz_unpacklo_epi32(0xffff, pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_maskz_unpackhi_epi32(0xffff, pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    store(to + 2 * i * 64, _mm512_maskz_unpacklo_epi64(0xff, fours[i], fours[4 + i]));
    store(to + (2 * i + 1) * 64, _mm512_maskz_unpackhi_epi64(0xff, fours[i], fours[4 + i]));
  }
}

// Keys as PackedRows.
inline void gather_keys(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                        int64_t padded_dim, void* packed, float* sums) {
  const auto gather = [&](auto steps, int64_t first) {
    gather_key_columns<steps>(rows, indices, count, padded_count, padded_dim, first, static_cast<char*>(packed), sums);
  };
  int64_t first = 0;
  for (; first + 128 <= padded_dim; first += 128) gather(std::integral_constant<int, 4>(), first);
  for (; first + 64 <= padded_dim; first += 64) gather(std::integral_constant<int, 2>(), first);
  for (; first < padded_dim; first += 32) gather(std::integral_constant<int, 1>(), first);
}

// Values as PackedRows: a row to each dimension, of keys.
inline void gather_values(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed) {
  alignas(64) uint16_t copy[32 * kMaxDim];
  const char* from[32];
  for (int64_t j = 0; j < padded_count; j += 32) {
    const int64_t there = count - j < 0 ? 0 : count - j < 32 ? count - j : 32;
    if (there == 32 && rows.dim == padded_dim) {
      for (int64_t r = 0; r < 32; ++r) from[r] = row_at(rows, indices[j + r]);
    } else {
      gather_bfloat16(rows, indices + j, there, 32, padded_dim, copy);
      for (int64_t r = 0; r < 32; ++r) from[r] = reinterpret_cast<const char*>(copy + r * padded_dim);
    }
    char* step = static_cast<char*>(packed) + j / 32 * 2 * kTileBytes;
    int64_t next = j + 32;  // row to be fetched
    for (int64_t d = 0; d < padded_dim; d += 8) {
      for (const int64_t end = j + 32 + (d + 8) * 32 / padded_dim; next < end && next < count; ++next) {
        fetch_row(rows, indices[next]);
      }
      transpose_8(from, d * kElementBytes, step + d / 32 * 32 * padded_count * kElementBytes + d % 32 * 64);
    }
  }
}

#endif  // PBS_ATTN_CPU_AMX_ROWS_INL_H_

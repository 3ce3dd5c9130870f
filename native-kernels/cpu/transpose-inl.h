// Transposition of elements of 4 bytes.
#ifndef PBS_ATTN_CPU_TRANSPOSE_INL_H_
#define PBS_ATTN_CPU_TRANSPOSE_INL_H_

#include "vector-inl.h"

#if defined(__clang__)
#define PBS_ATTN_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PBS_ATTN_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, Vec4{i, j, k, l})
#endif

#ifdef __AVX512F__
// to (16, 16) = from transposed: inside quarters of vectors first, then by quarters.
inline void transpose_16(const uint32_t* from, int64_t ld_from, uint32_t* to, int64_t ld_to) {
  const __mmask16 all = 0xffff;  // GCC 12 warns of the intrinsics without a mask
  __m512i x[16], pairs[16], fours[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) x[i] = load<__m512i>(from + i * ld_from);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_maskz_unpacklo_epi32(all, x[i], x[i + 1]);
    pairs[i + 1] = _mm512_maskz_unpackhi_epi32(all, x[i], x[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    fours[i] = _mm512_maskz_unpacklo_epi64(0xff, pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_maskz_unpackhi_epi64(0xff, pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_maskz_unpacklo_epi64(0xff, pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_maskz_unpackhi_epi64(0xff, pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // columns i, 4 + i, 8 + i, 12 + i
    const __m512i even = _mm512_maskz_shuffle_i32x4(all, fours[i], fours[4 + i], 0x88);
    const __m512i odd = _mm512_maskz_shuffle_i32x4(all, fours[i], fours[4 + i], 0xdd);
    const __m512i later_even = _mm512_maskz_shuffle_i32x4(all, fours[8 + i], fours[12 + i], 0x88);
    const __m512i later_odd = _mm512_maskz_shuffle_i32x4(all, fours[8 + i], fours[12 + i], 0xdd);
    store(to + i * ld_to, _mm512_maskz_shuffle_i32x4(all, even, later_even, 0x88));
    store(to + (8 + i) * ld_to, _mm512_maskz_shuffle_i32x4(all, even, later_even, 0xdd));
    store(to + (4 + i) * ld_to, _mm512_maskz_shuffle_i32x4(all, odd, later_odd, 0x88));
    store(to + (12 + i) * ld_to, _mm512_maskz_shuffle_i32x4(all, odd, later_odd, 0xdd));
  }
}
#endif

// to (cols, rows) = from (rows, cols) transposed, elements of 4 bytes. rows and cols are multiples of 4.
inline void transpose(int64_t rows, int64_t cols, const uint32_t* from, int64_t ld_from, uint32_t* to, int64_t ld_to) {
#ifdef __AVX512F__
  if (rows % 16 == 0 && cols % 16 == 0) {
    for (int64_t i = 0; i < rows; i += 16) {
      for (int64_t j = 0; j < cols; j += 16) transpose_16(from + i * ld_from + j, ld_from, to + j * ld_to + i, ld_to);
    }
    return;
  }
#endif
  for (int64_t i = 0; i < rows; i += 4) {
    for (int64_t j = 0; j < cols; j += 4) {
      const uint32_t* x = from + i * ld_from + j;
      const Vec4 a = load<Vec4>(x), b = load<Vec4>(x + ld_from);
      const Vec4 c = load<Vec4>(x + 2 * ld_from), d = load<Vec4>(x + 3 * ld_from);
      const Vec4 ab_low = PBS_ATTN_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = PBS_ATTN_SHUFFLE(a, b, 2, 6, 3, 7);
      const Vec4 cd_low = PBS_ATTN_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = PBS_ATTN_SHUFFLE(c, d, 2, 6, 3, 7);
      uint32_t* y = to + j * ld_to + i;
      store(y, PBS_ATTN_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5));
      store(y + ld_to, PBS_ATTN_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7));
      store(y + 2 * ld_to, PBS_ATTN_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5));
      store(y + 3 * ld_to, PBS_ATTN_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7));
    }
  }
}

#endif  // PBS_ATTN_CPU_TRANSPOSE_INL_H_

// Weights in bfloat16 from logits in float32. Products of bfloat16 are exact in float32, and so are their sums but for
// float32's own rounding.
//
#ifndef PBS_ATTN_CPU_WEIGHER_INL_H_
#define PBS_ATTN_CPU_WEIGHER_INL_H_

#include "softmax-inl.h"
#include "vector-inl.h"

// A weigher makes weights of logits, relative to `max`, and adds them up. weigh<n> takes the n-th of some keys, whose
// logits begin at `logits`. Two of them, an even one and the odd one after it, make a row of kStripWidth units, which
// the odd one stores to `weights`.

// What is known of logits and of the maxima that their weights are relative to.
enum class Range {
  kAny,      // no scaled logit is more than kMaxLag above its maximum
  kNear,     // the same, and are_near() holds for the maxima: an instruction less
  kGuessed,  // are_near() holds for the maxima, which may be too small. Whoever adds up the weights has to look at the
             // sums: a logit that is far above its maximum makes one that is too large, and so may one that is far
             // below
};

// How far from 0 a maximum may be for Range::kNear, times scale * log2(e). The product of maximum and factor is rounded
// there, so all weights relative to a maximum are off by a common factor of at most 2^(2^16 * 2^-24).
constexpr float kLargestNear = 1 << 16;

inline bool are_near(const VecF* max, float scale) {
  VecI far = {};
  for (int v = 0; v < kNv; ++v) {
    const VecF y = max[v] * (scale * kLog2E);
    far |= ~((y <= kLargestNear) & (y >= -kLargestNear));
  }
  return !any_lane(far);
}

inline bool are_near(const QueryStrip& strip, float scale) {
  VecF max[kNv];
  for (int v = 0; v < kNv; ++v) max[v] = load<VecF>(strip.max + v * kWidth);
  return are_near(max, scale);
}

// factor * (x - max) + offset
template <Range kRange>
struct ScaledDifference {
  float factor;
  float offset;
  VecF from[kNv];

  PBS_ATTN_INLINED ScaledDifference(float times, const VecF* max, float plus) : factor(times), offset(plus) {
    for (int v = 0; v < kNv; ++v) from[v] = kRange == Range::kAny ? max[v] : offset - max[v] * factor;
  }

  // In Range::kAny the difference comes first: it is exact where it is small, however large the logits are.
  PBS_ATTN_INLINED VecF operator()(int v, VecF x) const {
    return kRange == Range::kAny ? (x - from[v]) * factor + offset : x * factor + from[v];
  }
};

// 2^y with a relative error of 3e-6; 0 where a float's range ends.
PBS_ATTN_INLINED inline VecF fast_exp2(VecF y) {
  const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  const VecF n = (y + rounder) - rounder;
  const VecF f = y - n;
  VecF p = f * 0.00958285294f + 0.0559064262f;  // 2^f for -0.5 <= f <= 0.5
  p = p * f + 0.240240991f;
  p = p * f + 0.693124175f;
  p = p * f + 1.0f;
  const __mmask16 in_range = _mm512_cmp_ps_mask((__m512)y, (__m512)broadcast(-125), _CMP_GT_OQ);
  return (VecF)_mm512_maskz_scalef_ps(in_range, (__m512)p, (__m512)n);
}

// In float32, rounded at the end; the sums are those of the weights before. It adds where it can: of the two ports for
// vectors, one does not multiply while the processor's matrix unit is in use.
template <Range kRange>
struct FloatWeigher {
  static constexpr bool kHasExactSums = true;
  static constexpr float kLargestSum = kMaxWeight;  // for each key
  static constexpr float kLargestWeight = __builtin_inff();

  ScaledDifference<kRange> exponent;
  VecF total[kNv] = {};
  VecF even[kNv] = {};

  PBS_ATTN_INLINED FloatWeigher(float scale, const VecF* max) : exponent(scale * kLog2E, max, 0) {}

  // Adds up the weights of a key.
  PBS_ATTN_INLINED void sum(const float* logits) {
#pragma GCC unroll 2
    for (int v = 0; v < kNv; ++v) total[v] += fast_exp2(exponent(v, load<VecF>(logits + v * kWidth)));
  }

  template <int n, typename M>
  PBS_ATTN_INLINED void weigh(const M& mask, int64_t key, const float* logits, float* weights) {
#pragma GCC unroll 2
    for (int v = 0; v < kNv; ++v) {
      const VecF w = fast_exp2(exponent(v, mask.apply(key, v, load<VecF>(logits + v * kWidth))));
      if (n % 2 == 0) {
        even[v] = w;
        continue;
      }
      total[v] += even[v] + w;
      store(weights + v * kWidth, ((VecU)even[v] + 0x8000) >> 16 | (((VecU)w + 0x8000) & 0xffff0000));
    }
  }
};

// In integers of 16 bits, 32 weights at a time and with half the instructions: y = 512 (log2(weight) + kLowest), and
// the bits of a bfloat16 are y / 4 but for the fraction, where 2^f - 1 stands instead of f. Weights and sums carry a
// factor of 2^(kLowest - 127) more, which cancels out; weights below 2^-kLowest are 0. The error of a weight is 3 %
// larger than that of rounding it to bfloat16.
template <Range kRange>
struct WordWeigher {
  static constexpr bool kHasExactSums = false;
  static constexpr float kLowest = 112;
  static constexpr float kSteps = 512;                          // of y, from a power of 2 to the next
  static constexpr float kLargestSum = kMaxWeight / (1 << 15);  // for each key
  static constexpr float kLargestWeight = 1.99f;                // where y ends

  // With guessed maxima y is rounded by adding 1.5 * 2^23, and taken from the low bits: what is too large stays so.
  static constexpr bool kIsGuessed = kRange == Range::kGuessed;
  static constexpr float kRounder = kIsGuessed ? 12582912.0f : 0;
  static constexpr int32_t kRounderBits = 0x4b400000;

  ScaledDifference<kRange> steps;
  VecF total[kNv] = {};
  __m512i even = {};

  PBS_ATTN_INLINED WordWeigher(float scale, const VecF* max)
      : steps(scale * kLog2E * kSteps, max, kLowest * kSteps + kRounder) {}

  // y, rounded to whole numbers: all weights relative to the same maximum are off by the same factor. Conversion
  // answers the smallest integer for what integers do not hold: right for what is far below its maximum. The difference
  // of bits wraps where y + 1.5 * 2^23 is negative, to a number that is too large: the sum shows it.
  PBS_ATTN_INLINED __m512i whole_steps(int v, VecF x) const {
    const __m512 y = (__m512)steps(v, x);
    if (kIsGuessed) return _mm512_sub_epi32(_mm512_castps_si512(y), _mm512_set1_epi32(kRounderBits));
    return _mm512_maskz_cvtps_epi32(0xffff, y);  // GCC 12 warns of the intrinsic without a mask
  }

  // From y to the bits of a bfloat16. f - (2^f - 1) = f (1 - f) (0.307 + 0.079 f).
  PBS_ATTN_INLINED static __m512i power(__m512i y) {
    const __m512i f = _mm512_slli_epi16(y, 7);  // in 65536ths
    const __m512i product = _mm512_mulhi_epu16(f, _mm512_sub_epi16(_mm512_setzero_si512(), f));
    const __m512i slope = _mm512_add_epi16(_mm512_mulhi_epu16(f, _mm512_set1_epi16(40)), _mm512_set1_epi16(155));
    const __m512i bits = _mm512_sub_epi16(y, _mm512_mulhi_epu16(product, slope));
    // Half a unit of the result is 2; one half of it is in `bits` already, where the product was cut off.
    return _mm512_srli_epi16(_mm512_adds_epu16(bits, _mm512_set1_epi16(1)), 2);
  }

  template <int n, typename M>
  PBS_ATTN_INLINED void weigh(const M& mask, int64_t key, const float* logits, float* weights) {
    static_assert(kNv == 2, "two vectors make one of words");
    __m512i y[kNv];
#pragma GCC unroll 2
    for (int v = 0; v < kNv; ++v) y[v] = whole_steps(v, mask.apply(key, v, load<VecF>(logits + v * kWidth)));
    const __m512i w = power(_mm512_packus_epi32(y[0], y[1]));
    if (n % 2 == 0) {
      even = w;
      return;
    }
    // Packing took fours of both vectors in turn; interleaving gives each vector its own back.
    const __m512i pairs[kNv] = {_mm512_unpacklo_epi16(even, w), _mm512_unpackhi_epi16(even, w)};
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
#pragma GCC unroll 2
    for (int v = 0; v < kNv; ++v) {
      total[v] = (VecF)_mm512_dpbf16_ps((__m512)total[v], (__m512bh)pairs[v], ones);
      store(weights + v * kWidth, pairs[v]);
    }
  }
};

// Weights (keys / 2, kStripWidth units) of the logits (keys, kStripWidth); they may overwrite them.
template <typename W, typename M>
inline void weigh_all(W& weigher, const M& mask, int64_t keys, const float* logits, float* weights) {
  for (int64_t j = 0; j < keys; j += 2) {
    weigher.template weigh<0>(mask, j, logits + j * kStripWidth, nullptr);
    weigher.template weigh<1>(mask, j + 1, logits + (j + 1) * kStripWidth, weights + j / 2 * kStripWidth);
  }
}

#endif  // PBS_ATTN_CPU_WEIGHER_INL_H_

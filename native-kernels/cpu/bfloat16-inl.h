// What the engines in bfloat16 share: products are exact in float32, and so are the sums but for float32's own
// rounding.

// Copies the rows as they are: these engines compute no other element type.
void gather_bfloat16(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count, int64_t padded_dim,
                     void* packed) {
  constexpr size_t kChunk = kPadding * sizeof(uint16_t);
  const size_t bytes = static_cast<size_t>(rows.dim) * sizeof(uint16_t);
  const size_t padded_bytes = static_cast<size_t>(padded_dim) * sizeof(uint16_t);
  char* to = static_cast<char*>(packed);
  for (int64_t r = 0; r < count; ++r, to += padded_bytes) {
    const char* from = row_at(rows, places == nullptr ? r : places[r]);
    size_t i = 0;
    for (; i + kChunk <= bytes; i += kChunk) __builtin_memcpy(to + i, from + i, kChunk);
    if (i < bytes) __builtin_memcpy(to + i, from + i, bytes - i);
    if (bytes < padded_bytes) __builtin_memset(to + bytes, 0, padded_bytes - bytes);
  }
  __builtin_memset(to, 0, static_cast<size_t>(padded_count - count) * padded_bytes);
}

// Brings a row nearer that is gathered soon: rows of a segment come in an order that no hardware foresees.
inline void fetch_row(const Rows& rows, int64_t place) {
  const char* row = row_at(rows, place);
  for (int64_t i = 0; i < rows.dim * static_cast<int64_t>(sizeof(uint16_t)); i += 64) __builtin_prefetch(row + i);
}

// Two elements of a row make a unit of 4 bytes: (kStripWidth, dim / 2) units, transposed.
void gather_bfloat16_queries(const Rows& rows, int64_t count, int64_t padded_dim, void* packed) {
  alignas(uint32_t) uint16_t elements[kStripWidth * kMaxDim];
  gather_bfloat16(rows, nullptr, count, kStripWidth, padded_dim, elements);
  transpose(kStripWidth, padded_dim / 2, reinterpret_cast<const uint32_t*>(elements), padded_dim / 2,
            static_cast<uint32_t*>(packed), kStripWidth);
}

// What makes weights of logits, relative to `max`, and adds them up. weigh<n> takes the n-th of some keys, whose
// logits begin at `logits`; two of them, an even one and the odd one after it, make a row of kStripWidth units, which
// the odd one stores to `weights`.

// In float32, rounded at the end; the sums are those of the weights before. It adds where it can: of the two ports for
// vectors, one does not multiply while the processor's matrix unit is in use.
struct FloatWeigher {
  static constexpr bool kHasExactSums = true;
  static constexpr float kLargestSum = kMaxWeight;  // for each key
  static constexpr float kLargestWeight = __builtin_inff();

  float factor;
  VecF shift[kNv];
  VecF total[kNv] = {};
  VecF even[kNv] = {};

  PBS_ATTN_INLINED FloatWeigher(float scale, const VecF* max) : factor(scale * kLog2E) {
    for (int v = 0; v < kNv; ++v) shift[v] = max[v] * factor;
  }

  // 2^y with a relative error of 3e-6; 0 where a float's range ends.
  PBS_ATTN_INLINED static VecF power(VecF y) {
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

  // Adds up the weights of a key.
  PBS_ATTN_INLINED void sum(const float* logits) {
#pragma GCC unroll 2
    for (int v = 0; v < kNv; ++v) total[v] += power(load<VecF>(logits + v * kWidth) * factor - shift[v]);
  }

  template <int n, typename M>
  PBS_ATTN_INLINED void weigh(const M& mask, int64_t key, const float* logits, float* weights) {
#pragma GCC unroll 2
    for (int v = 0; v < kNv; ++v) {
      const VecF w = power(mask.apply(key, v, load<VecF>(logits + v * kWidth)) * factor - shift[v]);
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
struct WordWeigher {
  static constexpr bool kHasExactSums = false;
  static constexpr float kLowest = 112;
  static constexpr float kSteps = 512;                          // of y, from a power of 2 to the next
  static constexpr float kLargestSum = kMaxWeight / (1 << 15);  // for each key
  static constexpr float kLargestWeight = 1.99f;                // where y ends

  float factor;
  VecF shift[kNv];
  VecF total[kNv] = {};
  __m512i even = {};

  static constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: what is added to it stands in the low bits
  static constexpr int32_t kRounderBits = 0x4b400000;

  PBS_ATTN_INLINED WordWeigher(float scale, const VecF* max) : factor(scale * kLog2E * kSteps) {
    // Rounded to a whole y: all weights relative to the same maximum are off by the same factor.
    for (int v = 0; v < kNv; ++v) shift[v] = kLowest * kSteps + kRounder - max[v] * factor;
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
    for (int v = 0; v < kNv; ++v) {
      const VecF x = mask.apply(key, v, load<VecF>(logits + v * kWidth)) * factor + shift[v];
      y[v] = _mm512_sub_epi32((__m512i)x, _mm512_set1_epi32(kRounderBits));
    }
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

// Weights (keys / 2, kStripWidth units) of the logits (keys, kStripWidth); they may take their place.
template <typename W, typename M>
inline void weigh_all(W& weigher, const M& mask, int64_t keys, const float* logits, float* weights) {
  for (int64_t j = 0; j < keys; j += 2) {
    weigher.template weigh<0>(mask, j, logits + j * kStripWidth, nullptr);
    weigher.template weigh<1>(mask, j + 1, logits + (j + 1) * kStripWidth, weights + j / 2 * kStripWidth);
  }
}

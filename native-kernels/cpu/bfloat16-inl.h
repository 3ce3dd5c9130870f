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

// Calls pack(first key, its rows) for every kKeys keys; their rows stay in the nearest cache meanwhile.
template <int kKeys, typename F>
inline void gather_in_chunks(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                             int64_t padded_dim, const F& pack) {
  alignas(64) uint16_t chunk[kKeys * kMaxDim];
  for (int64_t j = 0; j < padded_count; j += kKeys) {
    const int64_t there = count - j < 0 ? 0 : count - j < kKeys ? count - j : kKeys;
    for (int64_t next = j + kKeys; next < j + 2 * kKeys && next < count; ++next) fetch_row(rows, places[next]);
    gather_bfloat16(rows, places + j, there, kKeys, padded_dim, chunk);
    pack(j, chunk);
  }
}

// Two elements of a row make a unit of 4 bytes: (kStripWidth, dim / 2) units, transposed.
void gather_bfloat16_queries(const Rows& rows, int64_t count, int64_t padded_dim, void* packed) {
  alignas(uint32_t) uint16_t elements[kStripWidth * kMaxDim];
  gather_bfloat16(rows, nullptr, count, kStripWidth, padded_dim, elements);
  transpose(kStripWidth, padded_dim / 2, reinterpret_cast<const uint32_t*>(elements), padded_dim / 2,
            static_cast<uint32_t*>(packed), kStripWidth);
}

// rows (keys, dim) to units of one element of an even and one of the odd key after it; row_step and chunk_step are
// units from one pair of keys, and from kPadding columns, to the next.
inline void pair_keys(int64_t keys, int64_t dim, const uint16_t* rows, int64_t row_step, int64_t chunk_step,
                      uint32_t* pairs) {
  for (int64_t j = 0; j < keys; j += 2) {
    for (int64_t c = 0; c < dim / kPadding; ++c) {
      const uint16_t* even = rows + j * dim + c * kPadding;
      uint32_t* to = pairs + j / 2 * row_step + c * chunk_step;
      for (int64_t d = 0; d < kPadding; ++d) to[d] = even[d] | static_cast<uint32_t>(even[dim + d]) << 16;
    }
  }
}

// Makes weights of logits, relative to `shift`, and adds them up.
struct Bfloat16Weigher {
  float factor;
  VecF shift[kNv];
  VecF total[kNv] = {};

  Bfloat16Weigher(float scale, const VecF* max) : factor(scale * kLog2E) {
    for (int v = 0; v < kNv; ++v) shift[v] = max[v] * factor;
  }

  // 2^y with a relative error of 3e-6; 0 where a float's range ends. It adds where it can: of the two ports for
  // vectors, one does not multiply while the processor's matrix unit is in use.
  PBS_ATTN_INLINED static VecF power(VecF y) {
    const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
    const VecF n = (y + rounder) - rounder;
    const VecF f = y - n;
    VecF p = f * 0.00958285294f + 0.0559064262f;  // 2^f for -0.5 <= f <= 0.5
    p = p * f + 0.240240991f;
    p = p * f + 0.693124175f;
    p = p * f + 1.0f;
    const __mmask16 in_range = _mm512_cmp_ps_mask((__m512)y, _mm512_set1_ps(-125), _CMP_GT_OQ);
    return (VecF)_mm512_maskz_scalef_ps(in_range, (__m512)p, (__m512)n);
  }

  // Vector v of keys j and j + 1, rounded to units of both: to row j / 2 of weights (keys / 2, kStripWidth).
  template <int v>
  PBS_ATTN_INLINED void weigh_pair(int64_t j, const float* logits, float* weights) {
    const float* at = logits + j * kStripWidth + v * kWidth;
    const VecF even = power(load<VecF>(at) * factor - shift[v]);
    const VecF odd = power(load<VecF>(at + kStripWidth) * factor - shift[v]);
    total[v] += even + odd;
    const __m512i half = _mm512_set1_epi32(0x8000), high = _mm512_set1_epi32(static_cast<int>(0xffff0000));
    const __m512i low = _mm512_srli_epi32(_mm512_add_epi32((__m512i)even, half), 16);
    const int or_masked = 0xf8;  // first | (second & third)
    store(weights + j / 2 * kStripWidth + v * kWidth,
          _mm512_ternarylogic_epi32(low, _mm512_add_epi32((__m512i)odd, half), high, or_masked));
  }

  // All keys from j on.
  void weigh_from(int64_t j, int64_t keys, const float* logits, float* weights) {
    static_assert(kNv == 2, "a call for each vector");
    for (; j < keys; j += 2) {
      weigh_pair<0>(j, logits, weights);
      weigh_pair<1>(j, logits, weights);
    }
  }
};

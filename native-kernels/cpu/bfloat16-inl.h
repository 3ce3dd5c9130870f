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

// Calls pack(first key, its rows) for every kKeys keys; their rows stay in the nearest cache meanwhile.
template <int kKeys, typename F>
inline void gather_in_chunks(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                             int64_t padded_dim, const F& pack) {
  alignas(64) uint16_t chunk[kKeys * kMaxDim];
  for (int64_t j = 0; j < padded_count; j += kKeys) {
    const int64_t there = count - j < 0 ? 0 : count - j < kKeys ? count - j : kKeys;
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

// Weights as units of an even and the odd key after it: (keys / 2, kStripWidth), at the front of the logits.
void weigh_bfloat16_keys(int64_t keys, float scale, const VecF* shift, float* logits, VecF* total) {
  const float factor = scale * kLog2E;
  VecF scaled_shift[kNv], sum[kNv] = {};
  for (int v = 0; v < kNv; ++v) scaled_shift[v] = shift[v] * factor;
  // Interleaves the halves of a converted vector: even keys' elements below, odd keys' above.
  const __m512i interleave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                                              6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (int64_t j = 0; j < keys; j += 2) {
#pragma GCC unroll 8
    for (int v = 0; v < kNv; ++v) {
      const float* at = logits + j * kStripWidth + v * kWidth;
      const VecF even = exp2<4>(load<VecF>(at) * factor - scaled_shift[v]);
      const VecF odd = exp2<4>(load<VecF>(at + kStripWidth) * factor - scaled_shift[v]);
      sum[v] += even + odd;
      const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
      store(logits + j / 2 * kStripWidth + v * kWidth, _mm512_permutexvar_epi16(interleave, halves));
    }
  }
  for (int v = 0; v < kNv; ++v) total[v] += sum[v];
}

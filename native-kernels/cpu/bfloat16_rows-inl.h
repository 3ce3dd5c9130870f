// Rows of bfloat16 as they are, for engines that multiply bfloat16.
#ifndef PBS_ATTN_CPU_BFLOAT16_ROWS_INL_H_
#define PBS_ATTN_CPU_BFLOAT16_ROWS_INL_H_

#include "rows-inl.h"
#include "transpose-inl.h"

// Copies the rows as they are: these engines compute no other element type.
inline void gather_bfloat16(const Rows& rows, const int32_t* indices, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
  constexpr size_t kChunk = kPadding * sizeof(uint16_t);
  const size_t bytes = static_cast<size_t>(rows.dim) * sizeof(uint16_t);
  const size_t padded_bytes = static_cast<size_t>(padded_dim) * sizeof(uint16_t);
  char* to = static_cast<char*>(packed);
  for (int64_t r = 0; r < count; ++r, to += padded_bytes) {
    const char* from = row_at(rows, indices == nullptr ? r : indices[r]);
    size_t i = 0;
    for (; i + kChunk <= bytes; i += kChunk) __builtin_memcpy(to + i, from + i, kChunk);
    if (i < bytes) __builtin_memcpy(to + i, from + i, bytes - i);
    if (bytes < padded_bytes) __builtin_memset(to + bytes, 0, padded_bytes - bytes);
  }
  __builtin_memset(to, 0, static_cast<size_t>(padded_count - count) * padded_bytes);
}

// Brings a row nearer that is gathered soon: rows of a segment come in an order that no hardware foresees.
inline void fetch_row(const Rows& rows, int64_t index) {
  const char* row = row_at(rows, index);
  for (int64_t i = 0; i < rows.dim * static_cast<int64_t>(sizeof(uint16_t)); i += 64) __builtin_prefetch(row + i);
}

// Two elements of a row make a unit of 4 bytes: (kStripWidth, dim / 2) units, transposed.
inline void gather_bfloat16_queries(const Rows& rows, int64_t count, int64_t padded_dim, void* packed) {
  alignas(uint32_t) uint16_t elements[kStripWidth * kMaxDim];
  gather_bfloat16(rows, nullptr, count, kStripWidth, padded_dim, elements);
  transpose(kStripWidth, padded_dim / 2, reinterpret_cast<const uint32_t*>(elements), padded_dim / 2,
            static_cast<uint32_t*>(packed), kStripWidth);
}

#endif  // PBS_ATTN_CPU_BFLOAT16_ROWS_INL_H_

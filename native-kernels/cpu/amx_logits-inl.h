// Logits on AMX's tiles, and what a step has to know of its queries.
#ifndef PBS_ATTN_CPU_AMX_LOGITS_INL_H_
#define PBS_ATTN_CPU_AMX_LOGITS_INL_H_

#include "amx_rows-inl.h"
#include "tile_products-inl.h"
#include "vector-inl.h"

// Products of keys and queries go by 32 keys, and those of values and weights by 32 columns.
constexpr int kGroupKeys = 32;
constexpr int64_t kGroup = kGroupKeys * kStripWidth;

// How many groups of keys logits are computed ahead, in a ring.
constexpr int kAhead = 2;

inline Product keys_product(const TileShape& shape, const char* keys, int64_t group, const void* q, float* logits) {
  const PackedRows rows = packed_rows(keys, shape.dim / 32);
  return {packed_factor(rows.tiles + group * rows.group_stride_bytes), unit_rows(static_cast<const float*>(q)), logits,
          shape.dim / 32, false};
}

// Needs a session.
inline void compute_logits(const TileShape& shape, const char* keys, const void* q, float* logits) {
  Pipeline<Passing::kA> pipeline;
  for (int64_t group = 0; group < shape.keys / kGroupKeys; ++group) {
    pipeline.multiply(keys_product(shape, keys, group, q, logits + group * kGroup));
  }
  pipeline.flush();
}

// Whether every query has seen a key.
inline bool all_have_seen(const QueryStrip& strip) {
  VecI unseen = {};
  for (int v = 0; v < kNv; ++v) unseen |= load<VecF>(strip.max + v * kWidth) == broadcast(-__builtin_inff());
  return !any_lane(unseen);
}

// Also of sums that are not numbers.
inline bool are_too_large(const VecF* sums, float largest) {
  VecI too_large = {};
  for (int v = 0; v < kNv; ++v) too_large |= ~(sums[v] <= largest);
  return any_lane(too_large);
}

#endif  // PBS_ATTN_CPU_AMX_LOGITS_INL_H_

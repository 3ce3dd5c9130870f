// Attention and scores of keys, with the products and weights of an engine E.
#ifndef PBS_ATTN_CPU_ATTEND_INL_H_
#define PBS_ATTN_CPU_ATTEND_INL_H_

#include "gemm-inl.h"
#include "softmax-inl.h"
#include "vector-inl.h"

// Takes strips through key blocks with the products of engine E, which fetch the next ones on the way.
template <typename E>
inline void attend(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  for (const Visit* visit = visits; visit < visits + count; ++visit) {
    const KeyBlock& block = *visit->block;
    const QueryStrip& strip = *visit->strip;
    const void* next_keys = visit->next_keys != nullptr ? visit->next_keys : block.keys;
    const void* next_values = visit->next_values != nullptr ? visit->next_values : block.values;
    float shrink[kStripWidth];
    E::multiply_keys(shape, block.keys, shape.dim * E::kElementSize, strip.q, scratch,
                     static_cast<const char*>(next_keys));
    const bool rescale = softmax_tile(
        shape.keys, shape.scale, masked_positions(*visit), strip.first_position, strip.window, scratch, strip.max,
        strip.sum, shrink, [&](const VecF* shift, VecF* total) { E::weigh_keys(shape, shift, scratch, total); });
    if (block.values == nullptr) continue;
    E::add_values(shape, block.values, scratch, rescale, shrink, strip.o, static_cast<const char*>(next_values));
  }
}

template <typename E>
inline void logits(const TileShape& shape, const void* keys, const void* q, float* result) {
  E::multiply_keys(shape, keys, shape.dim * E::kElementSize, q, result, static_cast<const char*>(keys));
}

// Adds up what the queries of a strip pay to each key, lane by lane: sums (keys, kWidth). power(y) is 2^y.
template <VecF (*power)(VecF)>
struct KeySums {
  float factor;
  VecF max[kNv];
  VecF weight[kNv];
  float* sums;

  KeySums(float scale, const QueryStrip& strip, const float* weights, float* to) : factor(scale * kLog2E), sums(to) {
    for (int v = 0; v < kNv; ++v) {
      max[v] = load<VecF>(strip.max + v * kWidth);
      weight[v] = load<VecF>(weights + v * kWidth);
    }
  }

  PBS_ATTN_INLINED void add(int64_t j, const float* logits) {
    VecF total = load<VecF>(sums + j * kWidth);
#pragma GCC unroll 8
    for (int v = 0; v < kNv; ++v) {
      total += power((load<VecF>(logits + j * kStripWidth + v * kWidth) - max[v]) * factor) * weight[v];
    }
    store(sums + j * kWidth, total);
  }
};

template <typename E>
inline void score_keys(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                       int64_t strip_count, float* scratch, float* scores) {
  float* sums = scratch + shape.keys * kStripWidth;
  clear_sums(shape.keys, sums);
  for (int64_t s = 0; s < strip_count; ++s) {
    logits<E>(shape, keys, strips[s].q, scratch);
    KeySums<exp2> key_sums(shape.scale, strips[s], weights + s * kStripWidth, sums);
    for (int64_t j = 0; j < shape.keys; ++j) key_sums.add(j, scratch);
  }
  add_lanes(shape.keys, sums, scores);
}

#endif  // PBS_ATTN_CPU_ATTEND_INL_H_

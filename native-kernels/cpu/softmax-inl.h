// The online softmax of a tile: masks, the largest logits, and weights relative to them.
#ifndef PBS_ATTN_CPU_SOFTMAX_INL_H_
#define PBS_ATTN_CPU_SOFTMAX_INL_H_

#include "vector-inl.h"

// How much larger than `max` a scaled logit may be before the sums are rescaled: e^6 does no harm to a float, and
// rescaling is rare then.
constexpr float kMaxLag = 6;
constexpr float kMaxWeight = 403.4288f;  // e^kMaxLag

// What hides keys from queries: apply(key, v, x) is x, the logits of vector v, or -infinity where the key is hidden.
struct NoMask {
  static constexpr bool kHides = false;
  PBS_ATTN_INLINED VecF apply(int64_t, int, VecF x) const { return x; }
};

// Each query sees the `window` keys up to its own.
struct PositionMask {
  static constexpr bool kHides = true;
  const int32_t* positions;
  VecI queries[kNv];
  uint32_t window;

  PositionMask(const int32_t* key_positions, int32_t first_query, int32_t visible)
      : positions(key_positions), window(static_cast<uint32_t>(visible)) {
    int32_t query[kStripWidth];
    for (int q = 0; q < kStripWidth; ++q) query[q] = first_query + q;
    for (int v = 0; v < kNv; ++v) queries[v] = load<VecI>(query + v * kWidth);
  }

  PBS_ATTN_INLINED VecF apply(int64_t key, int v, VecF x) const {
    // How far the key lies back; as an unsigned number, that is very far for keys to come.
    const VecU distance = (VecU)(queries[v] - positions[key]);
    return distance < window ? x : broadcast(-__builtin_inff());
  }
};

// The largest logits of each query, no less than `best` was, over (keys, kStripWidth). Hidden ones become -infinity.
template <typename M>
inline void find_largest(const M& mask, int64_t keys, float* logits, VecF* best) {
  for (int64_t j = 0; j < keys; ++j) {
#pragma GCC unroll 8
    for (int v = 0; v < kNv; ++v) {
      float* at = logits + j * kStripWidth + v * kWidth;
      const VecF x = mask.apply(j, v, load<VecF>(at));
      if (M::kHides) store(at, x);
      best[v] = x > best[v] ? x : best[v];
    }
  }
}

// From the logits of a tile (keys, kStripWidth) to weights; max and sum move on. shrink (kStripWidth) says by how
// much what was summed before has to be multiplied; the result whether any of it is not 1. Positions null: every key is
// visible; else each query sees those of the `window` keys up to its own. weigh(shift, total) makes weights of the
// logits, relative to shift, and adds them up.
template <typename W>
inline bool softmax_tile(int64_t keys, float scale, const int32_t* positions, int32_t first_position, int32_t window,
                         float* logits, float* max, double* sum, float* shrink, const W& weigh) {
  const float infinity = __builtin_inff();
  VecF best[kNv], shift[kNv], total[kNv] = {};
  for (int v = 0; v < kNv; ++v) best[v] = broadcast(-infinity);
  if (positions == nullptr) {
    find_largest(NoMask{}, keys, logits, best);
  } else {
    find_largest(PositionMask(positions, first_position, window), keys, logits, best);
  }
  VecI changed = {};
  for (int v = 0; v < kNv; ++v) {
    const VecF old = load<VecF>(max + v * kWidth);
    // The difference, not old + kMaxLag / scale: large numbers would not change by so little.
    const VecF now = best[v] - old > kMaxLag / scale ? best[v] : old;
    shift[v] = now == -infinity ? VecF{} : now;  // no key seen yet: every weight is 0
    store(max + v * kWidth, now);
    store(shrink + v * kWidth, exp_from(old, shift[v], scale));
    changed |= now != old;
  }
  weigh(shift, total);
  const bool rescale = any_lane(changed);
  for (int v = 0; v < kNv; ++v) {
    if (rescale) {
      for (int l = 0; l < kWidth; ++l) sum[v * kWidth + l] *= shrink[v * kWidth + l];
    } else {
      store(shrink + v * kWidth, broadcast(1));
    }
    add_to_doubles(total[v], sum + v * kWidth);
  }
  return rescale;
}

// The key positions that a visit has to compare with its queries'; null if they see the whole block.
inline const int32_t* masked_positions(const Visit& visit) {
  const KeyBlock& block = *visit.block;
  const QueryStrip& strip = *visit.strip;
  const bool sees_all = block.last <= strip.first_position && strip.last_position - block.first < strip.window;
  return sees_all ? nullptr : block.positions;
}

inline double exp_row(int64_t n, float* x, float max, float scale) {
  double sums[kWidth] = {};
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const VecF e = exp_from(load<VecF>(x + i), broadcast(max), scale);
    store(x + i, e);
    add_to_doubles(e, sums);
  }
  double sum = 0;
  for (const double s : sums) sum += s;
  for (; i < n; ++i) {
    x[i] = exp_from(broadcast(x[i]), broadcast(max), scale)[0];
    sum += x[i];
  }
  return sum;
}

#endif  // PBS_ATTN_CPU_SOFTMAX_INL_H_

// Scores of keys on AMX: sums of weights, and what each key gets of them.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_amx_bf16 {

#include "amx_constants-inl.h"

#include "amx_logits-inl.h"
#include "attend-inl.h"
#include "weigher-inl.h"

// Calls f for each of a group of keys, kKeysAtOnce in each k-step of a product.
template <int kKeysAtOnce, typename F>
struct KeyByKey {
  static constexpr int kPieces = kKeysAtOnce;

  const F& f;
  int64_t next = 0;
  int64_t first = 0;  // of the k-step

  PBS_ATTN_INLINED bool begin_k_step() {
    if (next == kGroupKeys) return false;
    first = next;
    next += kKeysAtOnce;
    return true;
  }

  template <int n>
  PBS_ATTN_INLINED void do_piece() {
    f(first + n);
  }

  PBS_ATTN_INLINED void finish() {
    for (; next < kGroupKeys; ++next) f(next);
  }
};

// product(n, logits) is the n-th of some products of a group of keys and a strip. While one is computed, logits are
// used that are there: use(n, logits, go) has go(f) call f for each key of the n-th. ring has room for kAhead groups.
template <int kKeysAtOnce, typename P, typename U>
PBS_ATTN_INLINED inline void use_logits_in_k_steps(int64_t count, float* ring, const P& product, const U& use) {
  const auto slot = [&](int64_t n) { return ring + n % kAhead * kGroup; };
  Pipeline<Passing::kA> pipeline;
  for (int64_t n = 0; n < kAhead && n < count; ++n) pipeline.multiply(product(n, slot(n)));
  for (int64_t n = 0; n < count; ++n) {
    const int64_t next = n + kAhead;
    if (next >= count) pipeline.flush();
    const bool go_on = use(n, slot(n), [&](const auto& f) PBS_ATTN_INLINED {
      KeyByKey<kKeysAtOnce, std::decay_t<decltype(f)>> work{f};
      if (next < count) pipeline.multiply(product(next, slot(next)), work);
      work.finish();
    });
    if (!go_on) return;
  }
}

template <typename P, typename U>
inline void use_logits(const TileShape& shape, int64_t count, float* ring, const P& product, const U& use) {
  // So many keys that they end with the k-steps of a product, or before.
  if (shape.dim >= 256) return use_logits_in_k_steps<4>(count, ring, product, use);
  if (shape.dim >= 128) return use_logits_in_k_steps<8>(count, ring, product, use);
  if (shape.dim >= 64) return use_logits_in_k_steps<16>(count, ring, product, use);
  return use_logits_in_k_steps<32>(count, ring, product, use);
}

// For queries that have seen a key and see all of these: the largest logits are not looked for. Returns how many
// visits were made: all, or those before one whose sum is too large.
inline int64_t sum_beside_products(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  const int64_t groups = shape.keys / kGroupKeys;
  int64_t made = 0;
  VecF total[kNv] = {};
  use_logits(
      shape, count * groups, scratch,
      [&](int64_t n, float* logits) {
        const Visit& visit = visits[n / groups];
        return keys_product(shape, static_cast<const char*>(visit.block->keys), n % groups, visit.strip->q, logits);
      },
      [&](int64_t n, const float* logits, const auto& go) PBS_ATTN_INLINED {
        const QueryStrip& strip = *visits[made].strip;
        VecF max[kNv];
        for (int v = 0; v < kNv; ++v) max[v] = load<VecF>(strip.max + v * kWidth);
        FloatWeigher<Range::kGuessed> weigher(shape.scale, max);
        go([&](int64_t key) PBS_ATTN_INLINED { weigher.sum(logits + key * kStripWidth); });
        for (int v = 0; v < kNv; ++v) total[v] += weigher.total[v];
        if (n % groups != groups - 1) return true;
        if (are_too_large(total, kMaxWeight * static_cast<float>(shape.keys))) return false;
        for (int v = 0; v < kNv; ++v) {
          add_to_doubles(total[v], strip.sum + v * kWidth);
          total[v] = VecF{};
        }
        ++made;
        return true;
      });
  return made;
}

inline void sum_alone(const TileShape& shape, const Visit& visit, float* logits) {
  const QueryStrip& strip = *visit.strip;
  compute_logits(shape, static_cast<const char*>(visit.block->keys), strip.q, logits);
  float shrink[kStripWidth];
  softmax_tile(shape.keys, shape.scale, masked_positions(visit), strip.first_position, strip.window, logits, strip.max,
               strip.sum, shrink, [&](const VecF* max, VecF* total) {
                 FloatWeigher<Range::kAny> weigher(shape.scale, max);
                 for (int64_t key = 0; key < shape.keys; ++key) weigher.sum(logits + key * kStripWidth);
                 for (int v = 0; v < kNv; ++v) total[v] = weigher.total[v];
               });
}

void sum_weights(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  const Visit* const end = visits + count;
  while (visits < end) {
    const Visit* next = visits;
    while (next < end && masked_positions(*next) == nullptr && all_have_seen(*next->strip) &&
           are_near(*next->strip, shape.scale))
      ++next;
    visits += sum_beside_products(shape, visits, next - visits, scratch);
    if (visits < end) sum_alone(shape, *visits++, scratch);
  }
}

void score_keys_on_tiles(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                         int64_t strip_count, float* scratch, float* scores) {
  float* sums = scratch + kAhead * kGroup;
  clear_sums(shape.keys, sums);
  [[maybe_unused]] const Session session;
  use_logits(
      shape, shape.keys / kGroupKeys * strip_count, scratch,
      [&](int64_t n, float* logits) {
        return keys_product(shape, static_cast<const char*>(keys), n / strip_count, strips[n % strip_count].q, logits);
      },
      [&](int64_t n, const float* logits, const auto& go) PBS_ATTN_INLINED {
        const int64_t s = n % strip_count;
        KeySums<fast_exp2> key_sums(shape.scale, strips[s], weights + s * kStripWidth,
                                    sums + n / strip_count * kGroupKeys * kWidth);
        go([&](int64_t key) PBS_ATTN_INLINED { key_sums.add(key, logits); });
        return true;
      });
  add_lanes(shape.keys, sums, scores);
}

}  // namespace isa_amx_bf16
}  // namespace pbs_attn

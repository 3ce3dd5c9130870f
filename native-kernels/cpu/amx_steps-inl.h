// Attention on AMX, step by step. Included where attend_by_schedule is instantiated: a step is one long function, so
// these are files of their own, amx_attend_*.cc.
#ifndef PBS_ATTN_CPU_AMX_STEPS_INL_H_
#define PBS_ATTN_CPU_AMX_STEPS_INL_H_

#include "amx_logits-inl.h"
#include "amx_schedule-inl.h"
#include "softmax-inl.h"
#include "tile_products-inl.h"
#include "weigher-inl.h"

// A visit, or a part of one whose weights fit into L1.
struct Step {
  const Visit* visit;
  int64_t first_key;

  const char* keys(const TileShape& shape) const {
    return static_cast<const char*>(visit->block->keys) + first_key * shape.dim * kElementBytes;
  }

  const char* values() const {
    return static_cast<const char*>(visit->block->values) + first_key / 32 * 2 * kTileBytes;
  }

  const float* q() const { return static_cast<const float*>(visit->strip->q); }

  // Where the part of the keys or values begins that is fetched meanwhile; null stays null.
  const char* next(const TileShape& shape, const char* of_visit) const {
    return of_visit == nullptr ? nullptr : of_visit + first_key * shape.dim * kElementBytes / kParts;
  }
};

// Strips on their way through key blocks. While the keys of a step are weighed by W, the values of the step before are
// added and logits computed that are needed soon: the vector units and the matrix unit work at the same time.
template <template <Range> class W>
class Steps {
 public:
  // step_keys divides block.keys.
  Steps(const TileShape& block, int64_t step_keys, const Visit* visits, int64_t visit_count, float* scratch)
      : block_keys_(block.keys),
        shape_(block),
        visits_(visits),
        parts_(block.keys / step_keys),
        count_(visit_count * parts_),
        ring_(scratch),
        weights_{ring_ + kAhead * kGroup, ring_ + kAhead * kGroup + step_keys * kStripWidth / 2},
        spare_(weights_[1] + step_keys * kStripWidth / 2) {
    shape_.keys = step_keys;
  }

  // Weights and products one after the other: for shapes without a schedule.
  void run_in_sequence() {
    for (int64_t n = 0; n < count_; ++n) {
      weigh_alone(n);
      add_values(n);
    }
  }

  // Weights beside products, in the order of schedule S.
  template <typename S>
  void run_in_parallel() {
    __builtin_memset(weights_[1], 0, static_cast<size_t>(S::kKeys * kStripWidth * kElementBytes));  // of no step before
    bool has_first_logits = false;
    for (int64_t n = 0; n < count_; ++n) {
      const QueryStrip& strip = *step(n).visit->strip;
      const int32_t* positions = masked_positions(*step(n).visit);
      const bool have_seen = all_have_seen(strip);
      bool is_alone = have_seen ? !are_near(strip, shape_.scale) : positions != nullptr;
      if (!is_alone && !has_first_logits) compute_first_logits(n);
      if (!is_alone && !have_seen) {
        look_at_first_keys(strip);
        is_alone = !are_near(strip, shape_.scale);
      }
      if (is_alone) {
        if (n > 0) add_values(n - 1);
        weigh_alone(n);
        has_first_logits = false;
        continue;
      }
      if (positions == nullptr) {
        has_first_logits = weigh_beside_products<S>(n, NoMask{});
      } else {
        const PositionMask mask(positions + step(n).first_key, strip.first_position, strip.window);
        has_first_logits = weigh_beside_products<S>(n, mask);
      }
    }
    if (count_ > 0) add_values(count_ - 1);
  }

 private:
  Step step(int64_t n) const { return {visits_ + n / parts_, n % parts_ * shape_.keys}; }

  // The last of them stay in the tiles; the first slot of the step stores them.
  void compute_first_logits(int64_t n) {
    Pipeline<Passing::kA> pipeline;
    for (int64_t group = 0; group < kAhead; ++group) {
      pipeline.multiply(keys_product(shape_, step(n).keys(shape_), group, step(n).q(), ring_ + group * kGroup));
    }
    memory_barrier();
  }

  // For queries that have seen no key yet: their weights are relative to the largest of the first logits.
  void look_at_first_keys(const QueryStrip& strip) {
    for_quarters([&](auto quarter) { end_quarter<quarter>(ring_ + (kAhead - 1) * kGroup); });
    memory_barrier();
    VecF best[kNv];
    for (int v = 0; v < kNv; ++v) best[v] = broadcast(-__builtin_inff());
    find_largest(NoMask{}, kAhead * kGroupKeys, ring_, best);
    for (int v = 0; v < kNv; ++v) {
      const VecF max = load<VecF>(strip.max + v * kWidth);
      store(strip.max + v * kWidth, max == broadcast(-__builtin_inff()) ? best[v] : max);
    }
  }

  // What the slots of a step read and write, so that the compiler sees addresses and no structures.
  struct Operands {
    const char* values;
    int64_t value_group_stride_bytes;
    const float* old_weights;
    float* o;
    const char* next_values;  // to be fetched, as next_keys
    const char* keys[2];      // of this step and the next
    const float* q[2];
    const char* next_keys[2];
    float* ring;
    float* weights;
  };

  template <typename S, int kSlot, int kQuarter>
  PBS_ATTN_INLINED static void multiply_quarter_of(const Operands& p) {
    constexpr typename S::Slot now = S::at(kSlot), before = S::at(kSlot == 0 ? S::kSlots - 1 : kSlot - 1);
    constexpr int kStepOfKeys = now.group < S::kKeyGroups - kAhead ? 0 : 1;  // of the keys
    constexpr int kKeyGroup = (now.group + kAhead) % S::kKeyGroups;
    if (now.k_step == 0) {
      end_quarter<kQuarter>(before.is_values ? p.o + before.group * kGroup : p.ring + before.group % kAhead * kGroup);
      begin_quarter<kQuarter>(now.is_values, p.o + now.group * kGroup);
    }
    const char* a = now.is_values ? p.values + now.group * p.value_group_stride_bytes
                                  : p.keys[kStepOfKeys] + kKeyGroup * S::kValueGroups * 2 * kTileBytes;
    const float* b = now.is_values ? p.old_weights : p.q[kStepOfKeys];
    multiply_quarter<kQuarter, Passing::kA>(
        packed_pair(a + now.k_step * 2 * kTileBytes),
        {reinterpret_cast<const char*>(b + now.k_step * 16 * kStripWidth), 64, kSumsRowBytes});
    const char* next = now.is_values ? p.next_values : p.next_keys[kStepOfKeys];
    if (next != nullptr) {
      constexpr int kKStepOfAll =
          now.is_values ? now.group * S::kKeyGroups + now.k_step : kKeyGroup * S::kValueGroups + now.k_step;
      constexpr int64_t kBytes = 2 * kTileBytes / kParts / 4;
      for (int64_t i = 0; i < kBytes; i += 64) fetch(next + (kKStepOfAll * 4 + kQuarter) * kBytes + i);
    }
  }

  // The largest logits are not looked for: the sum tells whether a weight may have become too large, or is of a logit
  // so far below that it looks large, and the step is computed again then. Returns whether the first logits of the next
  // step are there.
  template <typename S, typename M>
  bool weigh_beside_products(int64_t n, const M& mask) {
    using Weigher = W<Range::kGuessed>;
    static_assert(Weigher::kLargestSum * S::kKeys < Weigher::kLargestWeight, "one weight that is too large is noticed");
    const Step now = step(n), before = n > 0 ? step(n - 1) : now, after = n + 1 < count_ ? step(n + 1) : now;
    const PackedRows value_rows = packed_rows(before.values(), block_keys_ / 32);
    const Operands p{value_rows.tiles,
                     value_rows.group_stride_bytes,
                     weights_[(n + 1) % 2],
                     before.visit->strip->o,
                     before.next(shape_, before.visit->next_values),
                     {now.keys(shape_), after.keys(shape_)},
                     {now.q(), after.q()},
                     {now.next(shape_, now.visit->next_keys), after.next(shape_, after.visit->next_keys)},
                     ring_,
                     weights_[n % 2]};
    const QueryStrip& strip = *now.visit->strip;
    VecF max[kNv];
    for (int v = 0; v < kNv; ++v) max[v] = load<VecF>(strip.max + v * kWidth);
    Weigher weigher(shape_.scale, max);
    for_numbers<0>(std::make_integer_sequence<int, S::kSlots>(), [&](auto slot) PBS_ATTN_INLINED {
      memory_barrier();
      for_quarters([&](auto quarter) PBS_ATTN_INLINED {
        multiply_quarter_of<S, slot, quarter>(p);
        constexpr int kBegin = S::key_at(4 * slot + quarter), kEnd = S::key_at(4 * slot + quarter + 1);
        for_numbers<kBegin>(std::make_integer_sequence<int, kEnd - kBegin>(), [&](auto key) PBS_ATTN_INLINED {
          weigher.template weigh<key>(mask, key, p.ring + key % (kAhead * kGroupKeys) * kStripWidth,
                                      p.weights + key / 2 * kStripWidth);
        });
      });
    });
    memory_barrier();
    if (are_too_large(weigher.total, Weigher::kLargestSum * S::kKeys)) {
      weigh_alone(n);
      return false;
    }
    for (int v = 0; v < kNv; ++v) add_to_doubles(weigher.total[v], strip.sum + v * kWidth);
    return true;
  }

  // The values of earlier steps have to be added before.
  void weigh_alone(int64_t n) {
    const Step t = step(n);
    const QueryStrip& strip = *t.visit->strip;
    const int32_t* positions = masked_positions(*t.visit);
    if (positions != nullptr) positions += t.first_key;
    compute_logits(shape_, t.keys(shape_), strip.q, spare_);
    float shrink[kStripWidth];
    const bool rescale = softmax_tile(shape_.keys, shape_.scale, positions, strip.first_position, strip.window, spare_,
                                      strip.max, strip.sum, shrink, [&](const VecF* max, VecF* total) {
                                        W<Range::kAny> weigher(shape_.scale, max);
                                        weigh_all(weigher, NoMask{}, shape_.keys, spare_, weights_[n % 2]);
                                        for (int v = 0; v < kNv; ++v) total[v] = weigher.total[v];
                                      });
    if (!rescale) return;
    for (int64_t d = 0; d < shape_.dim; ++d) {
      for (int v = 0; v < kNv; ++v) {
        float* at = strip.o + d * kStripWidth + v * kWidth;
        store(at, load<VecF>(at) * load<VecF>(shrink + v * kWidth));
      }
    }
  }

  void add_values(int64_t n) {
    const PackedRows rows = packed_rows(step(n).values(), block_keys_ / 32);
    Pipeline<Passing::kA> pipeline;
    for (int64_t group = 0; group < shape_.dim / 32; ++group) {
      pipeline.multiply({packed_factor(rows.tiles + group * rows.group_stride_bytes), unit_rows(weights_[n % 2]),
                         step(n).visit->strip->o + group * kGroup, shape_.keys / 32, true});
    }
    pipeline.flush();
  }

  const int64_t block_keys_;
  TileShape shape_;  // of a step
  const Visit* visits_;
  const int64_t parts_;      // steps of a visit
  const int64_t count_;      // steps
  float* const ring_;        // logits of two groups of keys (32, kStripWidth)
  float* const weights_[2];  // of two steps (keys / 2, kStripWidth) units
  float* const spare_;       // logits (keys, kStripWidth)
};

template <template <Range> class W, int kDim, int kStepKeys>
void attend_by_schedule(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  Steps<W>(shape, kStepKeys, visits, count, scratch).template run_in_parallel<Schedule<kDim, kStepKeys>>();
}

template <template <Range> class W>
void attend_in_sequence(const TileShape& shape, int64_t step_keys, const Visit* visits, int64_t count, float* scratch) {
  Steps<W>(shape, step_keys, visits, count, scratch).run_in_sequence();
}

#endif  // PBS_ATTN_CPU_AMX_STEPS_INL_H_

// Attention on tiles, turn by turn.

constexpr int64_t kElementBytes = 2;

// Products of keys and queries go by 32 keys, and those of values and weights by 32 columns.
constexpr int kGroupKeys = 32;
constexpr int64_t kGroup = kGroupKeys * kStripWidth;

inline Product keys_product(const TileShape& shape, const char* keys, int64_t group, const void* q, float* logits) {
  const PackedRows rows = packed_rows(keys, shape.dim / 32);
  return {packed_factor(rows.tiles + group * rows.group), unit_rows(static_cast<const float*>(q)), logits,
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

// A visit, or a part of one whose weights the nearest cache holds.
struct Turn {
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

// How many groups of keys logits are computed ahead.
constexpr int kAhead = 2;

// In which order the products of a turn go beside its weights: values of the turn before, 32 columns at a time, and
// keys, 32 at a time, in step with the weights. Logits are in a ring of kAhead groups: each takes the place of one that
// has been weighed.
template <int kHeadDim, int kTurnKeys>
struct Schedule {
  static constexpr int kDim = kHeadDim, kKeys = kTurnKeys;
  static constexpr int kKeyGroups = kKeys / kGroupKeys, kValueGroups = kDim / 32;
  static constexpr int kSteps = 2 * kKeyGroups * kValueGroups;
  static_assert(2 * kValueGroups > kKeyGroups - 1 && kKeyGroups % kAhead == 0, "logits are there in time");

  struct Step {
    bool is_values;
    int group;
    int step;  // of the group
  };

  static constexpr Step at(int n) {
    int value_group = 0;
    for (int key_group = 0; key_group < kKeyGroups; ++key_group) {
      for (; value_group * kKeyGroups < (key_group + 1) * kValueGroups; ++value_group, n -= kKeyGroups) {
        if (n < kKeyGroups) return {true, value_group, n};
      }
      if (n < kValueGroups) return {false, key_group, n};
      n -= kValueGroups;
    }
    return {false, kKeyGroups, 0};
  }

  // The first key to be weighed in a quarter of a step, counted through all of them.
  static constexpr int key_at(int quarter) { return quarter * kKeys / (4 * kSteps); }
};

// Strips on their way through key blocks. While the keys of a turn are weighed by W, the values of the turn before are
// added and logits computed that are needed soon: the vector units and the matrix unit work at the same time.
template <template <Range> class W>
class Turns {
 public:
  // turn_keys divides block.keys.
  Turns(const TileShape& block, int64_t turn_keys, const Visit* visits, int64_t visit_count, float* scratch)
      : block_keys_(block.keys),
        shape_(block),
        visits_(visits),
        parts_(block.keys / turn_keys),
        count_(visit_count * parts_),
        ring_(scratch),
        weights_{ring_ + kAhead * kGroup, ring_ + kAhead * kGroup + turn_keys * kStripWidth / 2},
        spare_(weights_[1] + turn_keys * kStripWidth / 2) {
    shape_.keys = turn_keys;
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
    __builtin_memset(weights_[1], 0, static_cast<size_t>(S::kKeys * kStripWidth * kElementBytes));  // of no turn before
    bool has_first_logits = false;
    for (int64_t n = 0; n < count_; ++n) {
      const QueryStrip& strip = *turn(n).visit->strip;
      const int32_t* positions = masked_positions(*turn(n).visit);
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
        const PositionMask mask(positions + turn(n).first_key, strip.first_position, strip.window);
        has_first_logits = weigh_beside_products<S>(n, mask);
      }
    }
    if (count_ > 0) add_values(count_ - 1);
  }

 private:
  Turn turn(int64_t n) const { return {visits_ + n / parts_, n % parts_ * shape_.keys}; }

  // The last of them stay in the tiles; the first step of the turn stores them.
  void compute_first_logits(int64_t n) {
    Pipeline<Passing::kA> pipeline;
    for (int64_t group = 0; group < kAhead; ++group) {
      pipeline.multiply(keys_product(shape_, turn(n).keys(shape_), group, turn(n).q(), ring_ + group * kGroup));
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

  // What the steps of a turn read and write, so that the compiler sees addresses and no structures.
  struct Places {
    const char* values;
    int64_t value_group;  // bytes
    const float* old_weights;
    float* o;
    const char* next_values;  // to be fetched, as next_keys
    const char* keys[2];      // of this turn and the next
    const float* q[2];
    const char* next_keys[2];
    float* ring;
    float* weights;
  };

  template <typename S, int kStep, int kQuarter>
  PBS_ATTN_INLINED static void multiply_quarter_of(const Places& p) {
    constexpr typename S::Step now = S::at(kStep), before = S::at(kStep == 0 ? S::kSteps - 1 : kStep - 1);
    constexpr int kTurn = now.group < S::kKeyGroups - kAhead ? 0 : 1;  // of the keys
    constexpr int kKeyGroup = (now.group + kAhead) % S::kKeyGroups;
    if (now.step == 0) {
      end_quarter<kQuarter>(before.is_values ? p.o + before.group * kGroup : p.ring + before.group % kAhead * kGroup);
      begin_quarter<kQuarter>(now.is_values, p.o + now.group * kGroup);
    }
    const char* a = now.is_values ? p.values + now.group * p.value_group
                                  : p.keys[kTurn] + kKeyGroup * S::kValueGroups * 2 * kTileBytes;
    const float* b = now.is_values ? p.old_weights : p.q[kTurn];
    multiply_quarter<kQuarter, Passing::kA>(
        packed_pair(a + now.step * 2 * kTileBytes),
        {reinterpret_cast<const char*>(b + now.step * 16 * kStripWidth), 64, kSumsRowBytes});
    const char* next = now.is_values ? p.next_values : p.next_keys[kTurn];
    if (next != nullptr) {
      constexpr int kStepOfAll =
          now.is_values ? now.group * S::kKeyGroups + now.step : kKeyGroup * S::kValueGroups + now.step;
      constexpr int64_t kBytes = 2 * kTileBytes / kParts / 4;
      for (int64_t i = 0; i < kBytes; i += 64) fetch(next + (kStepOfAll * 4 + kQuarter) * kBytes + i);
    }
  }

  // The largest logits are not looked for: the sum tells whether a weight may have become too large, or is of a logit
  // so far below that it looks large, and the turn is computed again then. Returns whether the first logits of the next
  // turn are there.
  template <typename S, typename M>
  bool weigh_beside_products(int64_t n, const M& mask) {
    using Weigher = W<Range::kGuessed>;
    static_assert(Weigher::kLargestSum * S::kKeys < Weigher::kLargestWeight, "one weight that is too large is noticed");
    const Turn now = turn(n), before = n > 0 ? turn(n - 1) : now, after = n + 1 < count_ ? turn(n + 1) : now;
    const PackedRows value_rows = packed_rows(before.values(), block_keys_ / 32);
    const Places p{value_rows.tiles,
                   value_rows.group,
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
    for_numbers<0>(std::make_integer_sequence<int, S::kSteps>(), [&](auto step) PBS_ATTN_INLINED {
      memory_barrier();
      for_quarters([&](auto quarter) PBS_ATTN_INLINED {
        multiply_quarter_of<S, step, quarter>(p);
        constexpr int kBegin = S::key_at(4 * step + quarter), kEnd = S::key_at(4 * step + quarter + 1);
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

  // The values of earlier turns have to be added before.
  void weigh_alone(int64_t n) {
    const Turn t = turn(n);
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
    const PackedRows rows = packed_rows(turn(n).values(), block_keys_ / 32);
    Pipeline<Passing::kA> pipeline;
    for (int64_t group = 0; group < shape_.dim / 32; ++group) {
      pipeline.multiply({packed_factor(rows.tiles + group * rows.group), unit_rows(weights_[n % 2]),
                         turn(n).visit->strip->o + group * kGroup, shape_.keys / 32, true});
    }
    pipeline.flush();
  }

  const int64_t block_keys_;
  TileShape shape_;  // of a turn
  const Visit* visits_;
  const int64_t parts_;      // turns of a visit
  const int64_t count_;      // turns
  float* const ring_;        // logits of two groups of keys (32, kStripWidth)
  float* const weights_[2];  // of two turns (keys / 2, kStripWidth) units
  float* const spare_;       // logits (keys, kStripWidth)
};

// Whether the visits have the shape of S; if so, they are made.
template <template <Range> class W, typename S>
inline bool attend_as(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  if (shape.dim != S::kDim || shape.keys % S::kKeys != 0) return false;
  Turns<W>(shape, S::kKeys, visits, count, scratch).template run_in_parallel<S>();
  return true;
}

// Needs a session.
template <template <Range> class W>
inline void attend_turns(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
  if (attend_as<W, Schedule<128, 128>>(shape, visits, count, scratch)) return;
  if (attend_as<W, Schedule<64, 128>>(shape, visits, count, scratch)) return;
  if constexpr (!W<Range::kGuessed>::kHasExactSums) {
    if (attend_as<W, Schedule<96, 128>>(shape, visits, count, scratch)) return;
    if (attend_as<W, Schedule<256, 128>>(shape, visits, count, scratch)) return;
    if (attend_as<W, Schedule<128, 64>>(shape, visits, count, scratch)) return;
    if (attend_as<W, Schedule<64, 64>>(shape, visits, count, scratch)) return;
    if (attend_as<W, Schedule<32, 64>>(shape, visits, count, scratch)) return;
  }
  int64_t turn_keys = 128;
  while (shape.keys % turn_keys != 0) turn_keys -= kGroupKeys;
  Turns<W>(shape, turn_keys, visits, count, scratch).run_in_sequence();
}

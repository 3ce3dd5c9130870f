// AMX with BF16: tiles of 16 rows by 64 bytes, multiplied 16 x 16 x 32 at a time.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels.h"
#include "layer_kernels.h"
#include "pbs_attn.h"

namespace pbs_attn {
namespace isa_amx_bf16 {

constexpr int kWidth = 16;
constexpr int kMr = 8;
constexpr int kNv = 2;

#include "kernels-inl.h"

#include "bfloat16-inl.h"

// How the tile registers are laid out: all of them 16 rows by 64 bytes.
struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Configures the tile registers of this thread, and frees them in the end.
struct Session {
  Session() {
    static const TileConfig config;
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~Session() { _tile_release(); }
};

// The compiler knows neither what memory the tile instructions read nor what they write.
inline void memory_barrier() { asm volatile("" ::: "memory"); }

template <int kTile>
inline void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
}

template <int kTile>
inline void load_tile(const void* from, int64_t row_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(kTile));
}

// For what is not read again soon, and should not drive out of the nearest cache what is; a fifth faster than load_tile
// for keys and values.
template <int kTile>
inline void load_passing_tile(const void* from, int64_t row_bytes) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(kTile));
}

template <int kTile>
inline void store_tile(void* to, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row_bytes), "i"(kTile));
}

// A product of matrices goes by tiles of two by two: registers 0..3 hold sums (32, 32), 4 and 5 what of a belongs to
// their rows, 6 and 7 what of b belongs to their columns. A quarter is what one of the sums needs; they are of use in
// their order only.

constexpr int64_t kSumsRowBytes = 32 * sizeof(float);
constexpr int64_t kTileBytes = 16 * 64;

// Two tiles in memory, each with its rows `row` bytes apart.
struct TilePair {
  const char* first;
  int64_t second;  // bytes from the first to the second
  int64_t row;
};

template <int kQuarter>
inline float* quarter_of(float* sums) {
  return sums + kQuarter / 2 * 16 * 32 + kQuarter % 2 * 16;
}

template <int kQuarter>
inline void begin_quarter(bool accumulate, float* sums) {
  if (accumulate) {
    load_tile<kQuarter>(quarter_of<kQuarter>(sums), kSumsRowBytes);
  } else {
    zero_tile<kQuarter>();
  }
}

enum class Passing { kA, kB };  // what is not read again soon

template <int kTile, bool kPassing>
inline void load_factor(const void* from, int64_t row_bytes) {
  if (kPassing) {
    load_passing_tile<kTile>(from, row_bytes);
  } else {
    load_tile<kTile>(from, row_bytes);
  }
}

template <int kQuarter, Passing kPassing>
inline void multiply_quarter(const TilePair& a, const TilePair& b) {
  constexpr int kRow = kQuarter / 2, kColumn = kQuarter % 2;
  if (kColumn == 0) load_factor<4 + kRow, kPassing == Passing::kA>(a.first + kRow * a.second, a.row);
  if (kRow == 0) load_factor<6 + kColumn, kPassing == Passing::kB>(b.first + kColumn * b.second, b.row);
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kQuarter), "i"(4 + kRow), "i"(6 + kColumn));
}

template <int kQuarter>
inline void end_quarter(float* sums) {
  store_tile<kQuarter>(quarter_of<kQuarter>(sums), kSumsRowBytes);
}

// Calls f with each of so many numbers, as a type.
template <int kFirst, int... kN, typename F>
PBS_ATTN_INLINED inline void for_numbers(std::integer_sequence<int, kN...>, const F& f) {
  (f(std::integral_constant<int, kFirst + kN>()), ...);
}

template <typename F>
PBS_ATTN_INLINED inline void for_quarters(const F& f) {
  for_numbers<0>(std::make_integer_sequence<int, 4>(), f);
}

// Packed: a tile after the other, so that what is read together lies together.
inline TilePair packed_pair(const char* tiles) { return {tiles, kTileBytes, 64}; }

// Packed rows: for each 32 of them two tiles for each step of 64 bytes of a row.
struct PackedRows {
  const char* tiles;
  int64_t group;  // bytes to the next 32 rows
};

inline PackedRows packed_rows(const char* tiles, int64_t steps_of_row) {
  return {tiles, steps_of_row * 2 * kTileBytes};
}

// c (32 groups, 32) [+]= a b: b has rows of units, 32 to a row.
struct Product {
  int64_t groups;
  int64_t steps;
  PackedRows a;
  const float* b;
  float* c;
  bool accumulate;
  const char* next;  // a part of what a will be soon; null: nothing to fetch
};

// Products under way: up to two, one after the other, step by step, so that other work can go on between the quarters.
// The matrix unit computes meanwhile. Their a is not read again soon.
class Products {
 public:
  Products() = default;
  explicit Products(const Product& product) { add(product); }

  void add(const Product& product) {
    products_[count_++] = product;
    steps_left_ += product.groups * product.steps;
  }

  int64_t steps_left() const { return steps_left_; }

  // Goes on to the next step; true if it is the first of a group, whose sums begin then.
  PBS_ATTN_INLINED bool begin_step() {
    --steps_left_;
    if (left_in_group_ == 0) {
      begin_group();
      return true;
    }
    --left_in_group_;
    a_ += 2 * kTileBytes;
    b_ += 16 * 32;
    next_ += 4 * kFetch;
    return false;
  }

  // The sums of the group before are stored here, when they have had time to get ready.
  template <int kQuarter, bool kIsFirst>
  PBS_ATTN_INLINED void do_quarter() {
    if (kIsFirst) {
      if (finished_ != nullptr) end_quarter<kQuarter>(finished_);
      begin_quarter<kQuarter>(accumulate_, sums_);
    }
    multiply_quarter<kQuarter, Passing::kA>(packed_pair(a_), {reinterpret_cast<const char*>(b_), 64, kSumsRowBytes});
    if (fetches_) {
      for (int64_t n = 0; n < kFetch; n += 64) fetch(next_ + kQuarter * kFetch + n);
    }
  }

  // Does what is left.
  PBS_ATTN_INLINED void finish() {
    while (steps_left_ > 0) {
      if (begin_step()) {
        for_quarters([&](auto quarter) { do_quarter<quarter, true>(); });
      } else {
        for_quarters([&](auto quarter) { do_quarter<quarter, false>(); });
      }
    }
    if (sums_ != nullptr) for_quarters([&](auto quarter) { end_quarter<quarter>(sums_); });
    sums_ = nullptr;
  }

 private:
  static constexpr int64_t kFetch = 32 * 64 / kParts / 4;  // bytes for a quarter

  PBS_ATTN_INLINED void begin_group() {
    if (group_ == products_[index_].groups) {
      group_ = 0;
      ++index_;
    }
    const Product& p = products_[index_];
    a_ = p.a.tiles + group_ * p.a.group;
    b_ = p.b;
    fetches_ = p.next != nullptr;
    next_ = fetches_ ? p.next + group_ * p.steps * kFetch * 4 : a_;  // an address in any case
    finished_ = sums_;
    sums_ = p.c + group_ * 32 * 32;
    accumulate_ = p.accumulate;
    left_in_group_ = p.steps - 1;
    ++group_;
  }

  Product products_[2];
  int count_ = 0;
  int index_ = 0;
  int64_t group_ = 0;
  int64_t steps_left_ = 0;
  int64_t left_in_group_ = 0;  // after the step under way
  // Of the step under way.
  const char* a_ = nullptr;
  const float* b_ = nullptr;
  const char* next_ = nullptr;
  bool fetches_ = false;
  bool accumulate_ = false;
  float* sums_ = nullptr;
  float* finished_ = nullptr;
};

// Packs a row of `bytes`, in steps of two tiles, to its place in the first of them; what is past it, or all of it if it
// is null, is zero.
inline void pack_row(const char* row, int64_t bytes, int64_t steps, char* packed) {
  int64_t step = 0;
  if (row != nullptr) {
    const int64_t whole = bytes / 64 < steps ? bytes / 64 : steps;
    for (; step < whole; ++step) __builtin_memcpy(packed + step * 2 * kTileBytes, row + step * 64, 64);
  }
  for (; step < steps; ++step) {
    char* to = packed + step * 2 * kTileBytes;
    __builtin_memset(to, 0, 64);
    const int64_t rest = row != nullptr ? bytes - step * 64 : 0;
    if (rest > 0) __builtin_memcpy(to, row + step * 64, static_cast<size_t>(rest));
  }
}

// Of the nearest cache.
constexpr int64_t kNearBytes = 48 << 10;

struct AmxEngine {
  static constexpr int64_t kElementSize = sizeof(uint16_t);

  static void gather_keys(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed) {
    char* to = static_cast<char*>(packed);
    for (int64_t r = 0; r < padded_count; ++r) {
      if (r + 8 < count) fetch_row(rows, places[r + 8]);
      char* group = to + r / 32 * 32 * padded_dim * kElementSize;
      pack_row(r < count ? row_at(rows, places[r]) : nullptr, rows.dim * kElementSize, padded_dim / 32,
               group + r % 32 * 64);
    }
  }

  // A row to each dimension, of keys: pairs of keys first, so that what is transposed are units of 4 bytes.
  static void gather_values(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
    gather_in_chunks<8>(rows, places, count, padded_count, padded_dim, [&](int64_t j, const uint16_t* chunk) {
      uint32_t pairs[4 * kMaxDim];
      pair_keys(8, padded_dim, chunk, padded_dim, kPadding, pairs);
      char* step = static_cast<char*>(packed) + j / 32 * 2 * kTileBytes + j % 32 * kElementSize;
      for (int64_t d = 0; d < padded_dim; d += 32, step += 32 * padded_count * kElementSize) {
        transpose(4, 32, pairs + d, padded_dim, reinterpret_cast<uint32_t*>(step), 16);
      }
    });
  }

  // A visit, or a part of one whose logits and weights the nearest cache holds.
  struct Turn {
    const Visit* visit;
    int64_t first_key;
  };

  static Product keys_product(const TileShape& shape, const PackedRows& keys, const void* q, float* logits,
                              const char* next) {
    return {shape.keys / 32, shape.dim / 32, keys, static_cast<const float*>(q), logits, false, next};
  }

  // Null stays null.
  static const char* from(const char* next, int64_t offset) { return next == nullptr ? nullptr : next + offset; }

  static Product keys_product(const TileShape& shape, const Turn& turn, float* logits) {
    const int64_t offset = turn.first_key * shape.dim * kElementSize;
    const char* keys = static_cast<const char*>(turn.visit->block->keys) + offset;
    return keys_product(shape, packed_rows(keys, shape.dim / 32), turn.visit->strip->q, logits,
                        from(turn.visit->next_keys, offset / kParts));
  }

  static Product values_product(const TileShape& shape, const Turn& turn, int64_t block_keys, const float* weights) {
    const char* values = static_cast<const char*>(turn.visit->block->values) + turn.first_key / 32 * 2 * kTileBytes;
    return {shape.dim / 32,
            shape.keys / 32,
            packed_rows(values, block_keys / 32),
            weights,
            turn.visit->strip->o,
            true,
            from(turn.visit->next_values, turn.first_key * shape.dim * kElementSize / kParts)};
  }

  static void run(const Product& product) {
    memory_barrier();
    Products(product).finish();
    memory_barrier();
  }

  static Product keys_product(const TileShape& shape, const void* keys, const void* q, float* logits) {
    return keys_product(shape, packed_rows(static_cast<const char*>(keys), shape.dim / 32), q, logits, nullptr);
  }

  static void logits(const TileShape& shape, const void* keys, const void* q, float* result) {
    [[maybe_unused]] const Session session;
    run(keys_product(shape, keys, q, result));
  }

  // A step of the products, and f(n) for n = 0..kCount-1 between its quarters.
  template <int kCount, bool kIsFirst, typename F>
  PBS_ATTN_INLINED static void do_step(Products& products, const F& f) {
    for_quarters([&](auto quarter) PBS_ATTN_INLINED {
      constexpr int kBegin = quarter * kCount / 4, kEnd = (quarter + 1) * kCount / 4;
      products.do_quarter<quarter, kIsFirst>();
      for_numbers<kBegin>(std::make_integer_sequence<int, kEnd - kBegin>(), f);
    });
  }

  // Goes through keys while products are under way: work(key, n) for n = 0..kKeys-1 in each of their steps. Returns the
  // first key that is left.
  template <int kKeys, typename F>
  PBS_ATTN_INLINED static int64_t work_beside(Products& products, int64_t keys, const F& work) {
    int64_t j = 0;
    for (; products.steps_left() > 0 && j + kKeys <= keys; j += kKeys) {
      const auto work_at = [&](auto n) PBS_ATTN_INLINED { work(j, n); };
      if (products.begin_step()) {
        do_step<kKeys, true>(products, work_at);
      } else {
        do_step<kKeys, false>(products, work_at);
      }
    }
    return j;
  }

  // So many keys to a step that work and products end together, or the products later: never do they store sums for
  // keys that are still to come.
  template <typename F>
  PBS_ATTN_INLINED static int64_t work_beside(Products& products, int64_t keys, const F& work) {
    const int64_t steps = products.steps_left();
    if (2 * steps >= keys) return work_beside<2>(products, keys, work);
    if (4 * steps >= keys) return work_beside<4>(products, keys, work);
    if (8 * steps >= keys) return work_beside<8>(products, keys, work);
    if (16 * steps >= keys) return work_beside<16>(products, keys, work);
    return work_beside<32>(products, keys, work);
  }

  PBS_ATTN_INLINED static void weigh(const TileShape& shape, const float* logits, float* weights, Products& products,
                                     Bfloat16Weigher& weigher) {
    memory_barrier();
    Products running = std::exchange(products, {});  // a copy of its own can stay in registers
    const int64_t left = work_beside(running, shape.keys, [&](int64_t j, auto n) PBS_ATTN_INLINED {
      weigher.weigh_pair<n % kNv>(j + n / kNv * 2, logits, weights);
    });
    weigher.weigh_from(left, shape.keys, logits, weights);
    running.finish();
    memory_barrier();
  }

  // The softmax of one turn, whose logits are there, while `products` are under way, which may replace them. Where
  // every query has seen a key and sees all of these, the largest logits are not looked for first: the sum tells
  // whether a weight may have become too large, and they are computed again then.
  static bool softmax(const TileShape& shape, const Turn& turn, float* logits, float* weights, float* spare,
                      Products& products, float* shrink) {
    const QueryStrip& strip = *turn.visit->strip;
    const int32_t* positions = masked_positions(*turn.visit);
    VecF max[kNv];
    VecI unseen = {};
    for (int v = 0; v < kNv; ++v) {
      max[v] = load<VecF>(strip.max + v * kWidth);
      unseen |= max[v] == broadcast(-__builtin_inff());
    }
    const auto weigh_all = [&](const VecF* shift, VecF* total) {
      Bfloat16Weigher weigher(shape.scale, shift);
      weigh(shape, logits, weights, products, weigher);
      for (int v = 0; v < kNv; ++v) total[v] = weigher.total[v];
    };
    if (positions == nullptr && !any_lane(unseen)) {
      VecF total[kNv];
      weigh_all(max, total);
      VecI too_large = {};
      for (int v = 0; v < kNv; ++v) too_large |= ~(total[v] <= kMaxWeight * static_cast<float>(shape.keys));
      if (!any_lane(too_large)) {
        for (int v = 0; v < kNv; ++v) add_to_doubles(total[v], strip.sum + v * kWidth);
        return false;
      }
      run(keys_product(shape, turn, spare));
      logits = spare;
    }
    if (positions != nullptr) positions += turn.first_key;
    return softmax_tile(shape.keys, shape.scale, positions, strip.first_position, strip.window, logits, strip.max,
                        strip.sum, shrink, weigh_all);
  }

  // Of a turn: the nearest cache holds logits and weights of two turns, queries, and sums.
  static int64_t keys_at_once(const TileShape& shape) {
    const auto bytes = [&](int64_t keys) { return kStripWidth * (keys * (4 + 2 * 2) + shape.dim * (2 + 4)); };
    int64_t keys = shape.keys;
    while (keys > 64 && keys % 64 == 0 && bytes(keys) > kNearBytes) keys /= 2;
    return keys;
  }

  // While the keys of a turn are weighed, the values of the one before are added, and then the logits of the one after
  // computed: the vector units and the matrix unit work at the same time. The new logits may take the place of the old:
  // in the second half of the products, each 32 of them are stored when those have been weighed.
  static void attend(const TileShape& block_shape, const Visit* visits, int64_t visit_count, float* scratch) {
    TileShape shape = block_shape;
    shape.keys = keys_at_once(block_shape);
    const int64_t parts = block_shape.keys / shape.keys, count = visit_count * parts;
    const auto turn = [&](int64_t n) { return Turn{visits + n / parts, n % parts * shape.keys}; };
    const int64_t tile = shape.keys * kStripWidth;
    float* logits = scratch;
    float* weights[2] = {scratch + tile, scratch + tile + tile / 2};
    float* spare = scratch + 2 * tile;
    const auto values = [&](int64_t n) { return values_product(shape, turn(n), block_shape.keys, weights[n % 2]); };
    const bool has_values = count > 0 && visits->block->values != nullptr;

    [[maybe_unused]] const Session session;
    if (count > 0) run(keys_product(shape, turn(0), logits));
    for (int64_t n = 0; n < count; ++n) {
      Products products;
      if (n > 0 && has_values) products.add(values(n - 1));
      if (n + 1 < count) products.add(keys_product(shape, turn(n + 1), logits));
      float shrink[kStripWidth];
      if (softmax(shape, turn(n), logits, weights[n % 2], spare, products, shrink) && has_values) {
        rescale(shape.dim, shrink, turn(n).visit->strip->o);
      }
    }
    if (has_values) run(values(count - 1));
  }

  // What a strip pays is added up while the logits of the next one are computed.
  static void score_keys(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                         int64_t strip_count, float* scratch, float* scores) {
    const int64_t tile = shape.keys * kStripWidth;
    float* logits[2] = {scratch, scratch + tile};
    float* sums = scratch + 2 * tile;
    clear_sums(shape.keys, sums);
    [[maybe_unused]] const Session session;
    run(keys_product(shape, keys, strips[0].q, logits[0]));
    for (int64_t s = 0; s < strip_count; ++s) {
      Products products;
      if (s + 1 < strip_count) products.add(keys_product(shape, keys, strips[s + 1].q, logits[(s + 1) % 2]));
      KeySums<Bfloat16Weigher::power> key_sums(shape.scale, strips[s], weights + s * kStripWidth, sums);
      memory_barrier();
      int64_t j = work_beside(products, shape.keys,
                              [&](int64_t key, auto n) PBS_ATTN_INLINED { key_sums.add(key + n, logits[s % 2]); });
      for (; j < shape.keys; ++j) key_sums.add(j, logits[s % 2]);
      products.finish();
      memory_barrier();
    }
    add_lanes(shape.keys, sums, scores);
  }

  static void rescale(int64_t dim, const float* shrink, float* o) {
    for (int64_t d = 0; d < dim; ++d) {
      for (int v = 0; v < kNv; ++v) {
        float* at = o + d * kStripWidth + v * kWidth;
        store(at, load<VecF>(at) * load<VecF>(shrink + v * kWidth));
      }
    }
  }
};

constexpr Engine kBfloat16Engine = {PBS_ATTN_BFLOAT16,        gather_bfloat16_queries, AmxEngine::gather_keys,
                                    AmxEngine::gather_values, AmxEngine::logits,       AmxEngine::attend,
                                    AmxEngine::score_keys};

// ---- Linear layers

void pack_row_panel(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed) {
  for (int64_t r = 0; r < kPanel; ++r) {
    pack_row(r < count ? row_at(rows, r) + first_column * 2 : nullptr, (rows.dim - first_column) * 2, steps,
             packed + r * 64);
  }
}

// Tiles of 16 outputs: units of two columns, transposed.
void pack_weight_panel(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed) {
  constexpr int64_t kAheadSteps = 8;
  alignas(64) char step_rows[kPanelStepBytes];
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t ahead = (first_column + (step + kAheadSteps) * kStep) * 2;
    for (int64_t r = 0; r < count; ++r) fetch(row_at(rows, r) + ahead);
    pack_row_panel(rows, count, first_column + step * kStep, 1, step_rows);
    for (int64_t tile = 0; tile < 2; ++tile) {
      transpose(16, 16, reinterpret_cast<const uint32_t*>(step_rows + tile * 1024), 16,
                reinterpret_cast<uint32_t*>(packed + step * kPanelStepBytes + tile * 1024), 16);
    }
  }
}

// To the nearest cache, where fetch is to the one behind it.
inline void fetch_near(const char* p) { __builtin_prefetch(p, 0, 3); }

// What a product of panels fetches on its way, in each step some lines of it.
struct Ahead {
  RowPanel x;
  int64_t rows;   // of x
  const char* c;  // a tile of sums
};

// c (32, 32) [+]= a b over some steps of packed panels.
inline void multiply_panels(int64_t steps, const RowPanel& a, const char* b, bool accumulate, float* c, Ahead ahead) {
  constexpr int64_t kSumLines = 4;  // in each step: a tile in 16 of them
  for_quarters([&](auto quarter) { begin_quarter<quarter>(accumulate, c); });
  for (int64_t i = 0; i < steps; ++i, b += kPanelStepBytes) {
    const TilePair rows = {a.first + i * a.step, 16 * a.row, a.row};
    for_quarters([&](auto quarter) { multiply_quarter<quarter, Passing::kB>(rows, packed_pair(b)); });
    for (int64_t r = 0; r < ahead.rows; ++r) fetch(ahead.x.first + r * ahead.x.row + i * ahead.x.step);
    for (int64_t n = 0; n < kSumLines; ++n) fetch_near(ahead.c + (i * kSumLines + n) * 64);
  }
  for_quarters([&](auto quarter) { end_quarter<quarter>(c); });
}

void multiply_row_panel(int64_t steps, const RowPanel& x, const char* w, int64_t panel_bytes, int64_t panels,
                        bool accumulate, float* c, const RowPanel& next_x, const float* next_c) {
  [[maybe_unused]] const Session session;
  memory_barrier();
  const int64_t rows = (kPanel + panels - 1) / panels;  // of next_x, for each panel of weights
  for (int64_t p = 0; p < panels; ++p, c += kPanel * kPanel) {
    const int64_t first = p * rows < kPanel ? p * rows : kPanel;
    const float* after = p + 1 < panels ? c + kPanel * kPanel : next_c;
    multiply_panels(steps, x, w + p * panel_bytes, accumulate, c,
                    {{next_x.first + first * next_x.row, next_x.row, next_x.step},
                     first + rows < kPanel ? rows : kPanel - first,
                     reinterpret_cast<const char*>(after)});
  }
  memory_barrier();
}

constexpr MatrixUnit kMatrixUnit = {pack_row_panel, pack_weight_panel, multiply_row_panel};

constexpr LayerKernels kLayerKernels = make_layer_kernels(&kMatrixUnit);

}  // namespace isa_amx_bf16

constexpr Kernels kAmxBf16Kernels =
    isa_amx_bf16::make_kernels("amx_bf16", &isa_amx_bf16::kBfloat16Engine, &isa_amx_bf16::kLayerKernels);

}  // namespace pbs_attn

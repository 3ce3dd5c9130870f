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

#include "tiles-inl.h"

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

#include "turns-inl.h"

// Calls f for each of some keys, kStepKeys in each step of products.
template <int kStepKeys, typename F>
struct KeyByKey {
  static constexpr int kPieces = kStepKeys;

  const F& f;
  int64_t keys;
  int64_t next = 0;
  int64_t first = 0;  // of the step

  PBS_ATTN_INLINED bool begin_step() {
    if (next + kStepKeys > keys) return false;
    first = next;
    next += kStepKeys;
    return true;
  }

  template <int n>
  PBS_ATTN_INLINED void do_piece() {
    f(first + n);
  }

  PBS_ATTN_INLINED void finish() {
    for (; next < keys; ++next) f(next);
  }
};

// Computes logits as compute_logits does, and calls f for each key meanwhile. keys null: nothing to compute.
template <typename F>
inline void compute_logits_beside(const TileShape& shape, const char* keys, const void* q, float* logits, const F& f) {
  const auto run = [&](auto step_keys) {
    KeyByKey<step_keys, F> work{f, shape.keys};
    Pipeline<Passing::kA> pipeline;
    for (int64_t group = 0; keys != nullptr && group < shape.keys / kGroupKeys; ++group) {
      pipeline.multiply(keys_product(shape, keys, group, q, logits + group * kGroup), work);
    }
    memory_barrier();
    work.finish();
    pipeline.flush();
  };
  // So many keys that they end with the products, or before.
  if (shape.dim > 128) return run(std::integral_constant<int, 8>());
  if (shape.dim > 64) return run(std::integral_constant<int, 16>());
  return run(std::integral_constant<int, 32>());
}

struct AmxEngine {
  static void gather_keys(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed) {
    char* to = static_cast<char*>(packed);
    for (int64_t r = 0; r < padded_count; ++r) {
      if (r + 8 < count) fetch_row(rows, places[r + 8]);
      char* group = to + r / 32 * 32 * padded_dim * kElementBytes;
      pack_row(r < count ? row_at(rows, places[r]) : nullptr, rows.dim * kElementBytes, padded_dim / 32,
               group + r % 32 * 64);
    }
  }

  // A row to each dimension, of keys: pairs of keys first, so that what is transposed are units of 4 bytes.
  static void gather_values(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
    gather_in_chunks<8>(rows, places, count, padded_count, padded_dim, [&](int64_t j, const uint16_t* chunk) {
      uint32_t pairs[4 * kMaxDim];
      pair_keys(8, padded_dim, chunk, padded_dim, kPadding, pairs);
      char* step = static_cast<char*>(packed) + j / 32 * 2 * kTileBytes + j % 32 * kElementBytes;
      for (int64_t d = 0; d < padded_dim; d += 32, step += 32 * padded_count * kElementBytes) {
        transpose(4, 32, pairs + d, padded_dim, reinterpret_cast<uint32_t*>(step), 16);
      }
    });
  }

  static void logits(const TileShape& shape, const void* keys, const void* q, float* result) {
    [[maybe_unused]] const Session session;
    compute_logits(shape, static_cast<const char*>(keys), q, result);
  }

  static void attend(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
    [[maybe_unused]] const Session session;
    if (count > 0 && visits->block->values == nullptr) {
      sum_weights(shape, visits, count, scratch);
    } else if (shape.exact_sums) {
      attend_turns<FloatWeigher>(shape, visits, count, scratch);
    } else {
      attend_turns<WordWeigher>(shape, visits, count, scratch);
    }
  }

  // The weights of a visit are added up while the logits of the next one are computed. Where every query has seen a key
  // and sees all of these, the largest logits are not looked for first, but when the sum is too large.
  static void sum_weights(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
    const int64_t tile = shape.keys * kStripWidth;
    float* logits[2] = {scratch, scratch + tile};
    const auto keys = [&](int64_t n) { return n < count ? static_cast<const char*>(visits[n].block->keys) : nullptr; };
    compute_logits(shape, keys(0), visits->strip->q, logits[0]);
    for (int64_t n = 0; n < count; ++n) {
      const QueryStrip& strip = *visits[n].strip;
      const int32_t* positions = masked_positions(visits[n]);
      const auto sum = [&](const VecF* max, VecF* total) {
        FloatWeigher weigher(shape.scale, max);
        compute_logits_beside(shape, keys(n + 1), n + 1 < count ? visits[n + 1].strip->q : nullptr, logits[(n + 1) % 2],
                              [&](int64_t key) PBS_ATTN_INLINED { weigher.sum(logits[n % 2] + key * kStripWidth); });
        for (int v = 0; v < kNv; ++v) total[v] = weigher.total[v];
      };
      if (positions == nullptr && all_have_seen(strip)) {
        VecF max[kNv], total[kNv];
        for (int v = 0; v < kNv; ++v) max[v] = load<VecF>(strip.max + v * kWidth);
        sum(max, total);
        if (!are_too_large(total, kMaxWeight * static_cast<float>(shape.keys))) {
          for (int v = 0; v < kNv; ++v) add_to_doubles(total[v], strip.sum + v * kWidth);
          continue;
        }
      }
      float shrink[kStripWidth];
      softmax_tile(shape.keys, shape.scale, positions, strip.first_position, strip.window, logits[n % 2], strip.max,
                   strip.sum, shrink, sum);
    }
  }

  // What a strip pays is added up while the logits of the next one are computed.
  static void score_keys(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                         int64_t strip_count, float* scratch, float* scores) {
    const int64_t tile = shape.keys * kStripWidth;
    float* logits[2] = {scratch, scratch + tile};
    float* sums = scratch + 2 * tile;
    clear_sums(shape.keys, sums);
    [[maybe_unused]] const Session session;
    const char* packed = static_cast<const char*>(keys);
    compute_logits(shape, packed, strips[0].q, logits[0]);
    for (int64_t s = 0; s < strip_count; ++s) {
      KeySums<FloatWeigher::power> key_sums(shape.scale, strips[s], weights + s * kStripWidth, sums);
      const bool is_last = s + 1 == strip_count;
      compute_logits_beside(shape, is_last ? nullptr : packed, is_last ? nullptr : strips[s + 1].q, logits[(s + 1) % 2],
                            [&](int64_t key) PBS_ATTN_INLINED { key_sums.add(key, logits[s % 2]); });
    }
    add_lanes(shape.keys, sums, scores);
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

// Tiles of 16 outputs: units of two columns, transposed. Rows are read one after the other, as memory gives them
// fastest.
void pack_weight_panel(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed) {
  pack_row_panel(rows, count, first_column, steps, packed);
  for (int64_t tile = 0; tile < 2 * steps; ++tile) {
    uint32_t* units = reinterpret_cast<uint32_t*>(packed + tile * kTileBytes);
    alignas(64) uint32_t copy[kTileBytes / sizeof(uint32_t)];
    __builtin_memcpy(copy, units, kTileBytes);
    transpose(16, 16, copy, 16, units, 16);
  }
}

// What goes on beside the products of a panel of rows: a row of results is finished now and then, so that all are in
// the end, and the next panel is fetched.
class PanelWork {
 public:
  static constexpr int kPieces = 1;

  explicit PanelWork(const PanelProduct& product)
      : results_(product.results),
        rows_(product.num_results > 0 ? product.num_results * product.results->rows : 0),
        steps_(product.steps * product.panels),
        next_(product.next_x),
        lines_((kPanel + product.panels - 1) / product.panels),
        num_results_(product.num_results) {}

  // The part of the next panel that belongs to one of weights, from a step on.
  void begin_product(int64_t panel, int64_t step) {
    const int64_t first = panel * lines_ < kPanel ? panel * lines_ : kPanel;
    count_ = first + lines_ < kPanel ? lines_ : kPanel - first;
    ahead_ = next_.first + first * next_.row + step * next_.step;
  }

  PBS_ATTN_INLINED bool begin_step() {
    const char* line = ahead_;
    for (int64_t r = 0; r < count_; ++r, line += next_.row) fetch(line);
    ahead_ += next_.step;
    due_ += rows_;
    return due_ >= steps_;
  }

  template <int n>
  PBS_ATTN_INLINED void do_piece() {
    for (; due_ >= steps_; due_ -= steps_) {
      finish_row(results_[result_], row_);
      if (++result_ == num_results_) {
        result_ = 0;
        ++row_;
      }
    }
  }

 private:
  const Result* const results_;
  const int64_t rows_;   // to be finished
  const int64_t steps_;  // to do so
  const RowPanel next_;
  const int64_t lines_;  // of next_, to be fetched in a step
  const int64_t num_results_;
  const char* ahead_ = nullptr;
  int64_t count_ = 0;
  int64_t due_ = 0;  // rows, times steps
  int64_t result_ = 0;
  int64_t row_ = 0;
};

// So many steps at a time that a panel of rows stays in the nearest cache while the weights pass by.
void multiply_panel(const PanelProduct& product) {
  [[maybe_unused]] const Session session;
  PanelWork work(product);
  Pipeline<Passing::kB> pipeline;
  for (int64_t step = 0; step < product.steps; step += kNearSteps) {
    const int64_t steps = product.steps - step < kNearSteps ? product.steps - step : kNearSteps;
    const char* x = product.x.first + step * product.x.step;
    for (int64_t p = 0; p < product.panels; ++p) {
      work.begin_product(p, step);
      pipeline.multiply({{{x, 16 * product.x.row, product.x.row}, product.x.step},
                         packed_factor(product.weights + p * product.panel_bytes + step * kPanelStepBytes),
                         product.sums + p * kPanel * kPanel,
                         steps,
                         product.accumulate || step > 0},
                        work);
    }
  }
  pipeline.flush();
}

constexpr MatrixUnit kMatrixUnit = {pack_row_panel, pack_weight_panel, multiply_panel};

constexpr LayerKernels kLayerKernels = make_layer_kernels(&kMatrixUnit);

}  // namespace isa_amx_bf16

constexpr Kernels kAmxBf16Kernels =
    isa_amx_bf16::make_kernels("amx_bf16", &isa_amx_bf16::kBfloat16Engine, &isa_amx_bf16::kLayerKernels);

}  // namespace pbs_attn

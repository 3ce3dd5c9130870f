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

// Calls f for each of a group of keys, kStepKeys in each step of a product.
template <int kStepKeys, typename F>
struct KeyByKey {
  static constexpr int kPieces = kStepKeys;

  const F& f;
  int64_t next = 0;
  int64_t first = 0;  // of the step

  PBS_ATTN_INLINED bool begin_step() {
    if (next == kGroupKeys) return false;
    first = next;
    next += kStepKeys;
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
template <int kStepKeys, typename P, typename U>
PBS_ATTN_INLINED inline void use_logits_in_steps(int64_t count, float* ring, const P& product, const U& use) {
  const auto place = [&](int64_t n) { return ring + n % kAhead * kGroup; };
  Pipeline<Passing::kA> pipeline;
  for (int64_t n = 0; n < kAhead && n < count; ++n) pipeline.multiply(product(n, place(n)));
  for (int64_t n = 0; n < count; ++n) {
    const int64_t next = n + kAhead;
    if (next >= count) pipeline.flush();
    const bool go_on = use(n, place(n), [&](const auto& f) PBS_ATTN_INLINED {
      KeyByKey<kStepKeys, std::decay_t<decltype(f)>> work{f};
      if (next < count) pipeline.multiply(product(next, place(next)), work);
      work.finish();
    });
    if (!go_on) return;
  }
}

template <typename P, typename U>
inline void use_logits(const TileShape& shape, int64_t count, float* ring, const P& product, const U& use) {
  // So many keys that they end with the steps of a product, or before.
  if (shape.dim >= 256) return use_logits_in_steps<4>(count, ring, product, use);
  if (shape.dim >= 128) return use_logits_in_steps<8>(count, ring, product, use);
  if (shape.dim >= 64) return use_logits_in_steps<16>(count, ring, product, use);
  return use_logits_in_steps<32>(count, ring, product, use);
}

// Gathers kSteps times 32 columns of the keys, from `first` on, and adds them up.
template <int kSteps>
inline void gather_key_columns(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                               int64_t padded_dim, int64_t first, char* packed, float* sums) {
  const auto place = [&](int64_t r, int s) PBS_ATTN_INLINED {
    return packed + r / 32 * 32 * padded_dim * kElementBytes + (first / 32 + s) * 2 * kTileBytes + r % 32 * 64;
  };
  __mmask32 there[kSteps];  // which columns are not padding
  for (int s = 0; s < kSteps; ++s) {
    const int64_t columns = rows.dim - first - s * 32;
    there[s] = columns >= 32 ? ~0u : columns > 0 ? (1u << columns) - 1 : 0;
  }
  VecF even[kSteps] = {}, odd[kSteps] = {};
  for (int64_t r = 0; r < count; ++r) {
    const char* row = row_at(rows, places[r]) + first * kElementBytes;
#pragma GCC unroll 4
    for (int s = 0; s < kSteps; ++s) {
      const __m512i x = _mm512_maskz_loadu_epi16(there[s], row + s * 64);
      store(place(r, s), x);
      even[s] += (VecF)((VecU)x << 16);
      odd[s] += (VecF)((VecU)x & 0xffff0000u);
    }
  }
  for (int64_t r = count; r < padded_count; ++r) {
    for (int s = 0; s < kSteps; ++s) store(place(r, s), VecF{});
  }
  if (sums == nullptr) return;
  for (int s = 0; s < kSteps; ++s) {
    for (int i = 0; i < kWidth; ++i) {
      sums[first + s * 32 + 2 * i] = even[s][i];
      sums[first + s * 32 + 2 * i + 1] = odd[s][i];
    }
  }
}

// to (8 rows of 32 elements) = the 8 elements at `offset` (bytes) of each of 32 rows, transposed. A quarter of a vector
// has 8 of the rows, so that no element has to leave its quarter.
inline void transpose_8(const char* const* from, int64_t offset, char* to) {
  const auto piece = [&](int row) PBS_ATTN_INLINED { return load<__m128i>(from[row] + offset); };
  __m512i x[8], pairs[8], fours[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    x[i] = _mm512_castsi128_si512(piece(i));
    x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x00f0, piece(8 + i));
    x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x0f00, piece(16 + i));
    x[i] = _mm512_mask_broadcast_i32x4(x[i], 0xf000, piece(24 + i));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_epi16(x[i], x[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi16(x[i], x[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    fours[i] = _mm512_maskz_unpacklo_epi32(0xffff, pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_maskz_unpackhi_epi32(0xffff, pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_maskz_unpacklo_epi32(0xffff, pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_maskz_unpackhi_epi32(0xffff, pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    store(to + 2 * i * 64, _mm512_maskz_unpacklo_epi64(0xff, fours[i], fours[4 + i]));
    store(to + (2 * i + 1) * 64, _mm512_maskz_unpackhi_epi64(0xff, fours[i], fours[4 + i]));
  }
}

struct AmxEngine {
  static void gather_keys(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                          int64_t padded_dim, void* packed, float* sums) {
    const auto gather = [&](auto steps, int64_t first) {
      gather_key_columns<steps>(rows, places, count, padded_count, padded_dim, first, static_cast<char*>(packed), sums);
    };
    int64_t first = 0;
    for (; first + 128 <= padded_dim; first += 128) gather(std::integral_constant<int, 4>(), first);
    for (; first + 64 <= padded_dim; first += 64) gather(std::integral_constant<int, 2>(), first);
    for (; first < padded_dim; first += 32) gather(std::integral_constant<int, 1>(), first);
  }

  // A row to each dimension, of keys.
  static void gather_values(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
    alignas(64) uint16_t copy[32 * kMaxDim];
    const char* from[32];
    for (int64_t j = 0; j < padded_count; j += 32) {
      const int64_t there = count - j < 0 ? 0 : count - j < 32 ? count - j : 32;
      if (there == 32 && rows.dim == padded_dim) {
        for (int64_t r = 0; r < 32; ++r) from[r] = row_at(rows, places[j + r]);
      } else {
        gather_bfloat16(rows, places + j, there, 32, padded_dim, copy);
        for (int64_t r = 0; r < 32; ++r) from[r] = reinterpret_cast<const char*>(copy + r * padded_dim);
      }
      char* step = static_cast<char*>(packed) + j / 32 * 2 * kTileBytes;
      int64_t next = j + 32;  // row to be fetched
      for (int64_t d = 0; d < padded_dim; d += 8) {
        for (const int64_t end = j + 32 + (d + 8) * 32 / padded_dim; next < end && next < count; ++next) {
          fetch_row(rows, places[next]);
        }
        transpose_8(from, d * kElementBytes, step + d / 32 * 32 * padded_count * kElementBytes + d % 32 * 64);
      }
    }
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

  static void sum_weights(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
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

  // For queries that have seen a key and see all of these: the largest logits are not looked for. Returns how many
  // visits were made: all, or those before one whose sum is too large.
  static int64_t sum_beside_products(const TileShape& shape, const Visit* visits, int64_t count, float* scratch) {
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

  static void sum_alone(const TileShape& shape, const Visit& visit, float* logits) {
    const QueryStrip& strip = *visit.strip;
    compute_logits(shape, static_cast<const char*>(visit.block->keys), strip.q, logits);
    float shrink[kStripWidth];
    softmax_tile(shape.keys, shape.scale, masked_positions(visit), strip.first_position, strip.window, logits,
                 strip.max, strip.sum, shrink, [&](const VecF* max, VecF* total) {
                   FloatWeigher<Range::kAny> weigher(shape.scale, max);
                   for (int64_t key = 0; key < shape.keys; ++key) weigher.sum(logits + key * kStripWidth);
                   for (int v = 0; v < kNv; ++v) total[v] = weigher.total[v];
                 });
  }

  static void score_keys(const TileShape& shape, const void* keys, const QueryStrip* strips, const float* weights,
                         int64_t strip_count, float* scratch, float* scores) {
    float* sums = scratch + kAhead * kGroup;
    clear_sums(shape.keys, sums);
    [[maybe_unused]] const Session session;
    use_logits(
        shape, shape.keys / kGroupKeys * strip_count, scratch,
        [&](int64_t n, float* logits) {
          return keys_product(shape, static_cast<const char*>(keys), n / strip_count, strips[n % strip_count].q,
                              logits);
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

// AMX with BF16: tiles of 16 rows by 64 bytes, multiplied 16 x 16 x 32 at a time.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

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

// The compiler knows neither what memory the tile instructions read nor what they write.
inline void memory_barrier() { asm volatile("" ::: "memory"); }

// c (32, 32) [+]= a b: a has 32 rows, a_row bytes apart, of 64-byte steps; b rows of units, 32 to a row; both go on for
// `steps`. Registers 0..3 hold c, 4 and 5 rows of a, 6 and 7 columns of b. On the way it fetches one byte from `ahead`
// on for kParts bytes of a.
template <bool kAccumulate>
inline void multiply_tiles(int64_t steps, const char* a, int64_t a_row, const float* b, float* c, const char* ahead) {
  constexpr int64_t kRowBytes = kStripWidth * sizeof(float);
  constexpr int64_t kAhead = 32 * 64 / kParts;  // bytes for a step
  if (kAccumulate) {
    _tile_loadd(0, c, kRowBytes);
    _tile_loadd(1, c + 16, kRowBytes);
    _tile_loadd(2, c + 16 * kStripWidth, kRowBytes);
    _tile_loadd(3, c + 16 * kStripWidth + 16, kRowBytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t i = 0; i < steps; ++i) {
    _tile_loadd(4, a + i * 64, a_row);
    _tile_loadd(6, b + i * 16 * kStripWidth, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + i * 16 * kStripWidth + 16, kRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    for (int64_t n = 0; n < kAhead; n += 64) fetch(ahead + i * kAhead + n);
    _tile_loadd(5, a + i * 64 + 16 * a_row, a_row);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, kRowBytes);
  _tile_stored(1, c + 16, kRowBytes);
  _tile_stored(2, c + 16 * kStripWidth, kRowBytes);
  _tile_stored(3, c + 16 * kStripWidth + 16, kRowBytes);
}

struct AmxEngine {
  static constexpr int64_t kElementSize = sizeof(uint16_t);

  // Configures the tile registers of this thread, and frees them in the end.
  struct Session {
    Session() {
      static const TileConfig config;
      asm volatile("ldtilecfg %0" ::"m"(config));
    }
    ~Session() { _tile_release(); }
  };

  // Values as (dim, keys): pairs of keys first, so that what is transposed are units of 4 bytes.
  static void gather_values(const Rows& rows, const int32_t* places, int64_t count, int64_t padded_count,
                            int64_t padded_dim, void* packed) {
    gather_in_chunks<8>(rows, places, count, padded_count, padded_dim, [&](int64_t j, const uint16_t* chunk) {
      uint32_t pairs[4 * kMaxDim];
      pair_keys(8, padded_dim, chunk, padded_dim, kPadding, pairs);
      transpose(4, padded_dim, pairs, padded_dim, static_cast<uint32_t*>(packed) + j / 2, padded_count / 2);
    });
  }

  static void multiply_keys(const TileShape& shape, const void* keys, int64_t key_stride, const void* q, float* result,
                            const char* ahead) {
    memory_barrier();
    for (int64_t j = 0; j < shape.keys; j += 32) {
      multiply_tiles<false>(shape.dim / 32, static_cast<const char*>(keys) + j * key_stride, key_stride,
                            static_cast<const float*>(q), result + j * kStripWidth,
                            ahead + j * shape.dim * kElementSize / kParts);
    }
    memory_barrier();
  }

  static void weigh_keys(int64_t keys, float scale, const VecF* shift, float* logits, VecF* total) {
    weigh_bfloat16_keys(keys, scale, shift, logits, total);
  }

  static void add_values(const TileShape& shape, const void* values, const float* weights, bool rescale,
                         const float* shrink, float* o, const char* ahead) {
    if (rescale) {
      for (int64_t d = 0; d < shape.dim; ++d) {
        for (int v = 0; v < kNv; ++v) {
          float* at = o + d * kStripWidth + v * kWidth;
          store(at, load<VecF>(at) * load<VecF>(shrink + v * kWidth));
        }
      }
    }
    const int64_t row = shape.keys * kElementSize;
    memory_barrier();
    for (int64_t d = 0; d < shape.dim; d += 32) {
      multiply_tiles<true>(shape.keys / 32, static_cast<const char*>(values) + d * row, row, weights,
                           o + d * kStripWidth, ahead + d * row / kParts);
    }
    memory_barrier();
  }
};

constexpr Engine kBfloat16Engine = {PBS_ATTN_BFLOAT16,        gather_bfloat16,   gather_bfloat16_queries,
                                    AmxEngine::gather_values, logits<AmxEngine>, attend<AmxEngine>};

// ---- Linear layers

void pack_row_panel(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed) {
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t column = first_column + step * kStep;
    const int64_t columns = rows.dim - column < kStep ? rows.dim - column : kStep;
    for (int64_t r = 0; r < kPanel; ++r) {
      char* to = packed + step * kPanelStepBytes + r * 64;
      const char* from = row_at(rows, r) + column * 2;
      if (r < count && columns == kStep) {
        __builtin_memcpy(to, from, 64);
      } else {
        __builtin_memset(to, 0, 64);
        if (r < count) __builtin_memcpy(to, from, static_cast<size_t>(columns * 2));
      }
    }
  }
}

// Tiles of 16 outputs: units of two columns, transposed.
void pack_weight_panel(const Rows& rows, int64_t count, int64_t first_column, int64_t steps, char* packed) {
  alignas(64) char step_rows[kPanelStepBytes];
  for (int64_t step = 0; step < steps; ++step) {
    pack_row_panel(rows, count, first_column + step * kStep, 1, step_rows);
    for (int64_t tile = 0; tile < 2; ++tile) {
      transpose(16, 16, reinterpret_cast<const uint32_t*>(step_rows + tile * 1024), 16,
                reinterpret_cast<uint32_t*>(packed + step * kPanelStepBytes + tile * 1024), 16);
    }
  }
}

// c (32, 32) [+]= a b over some steps of packed panels.
inline void multiply_panels(int64_t steps, const char* a, const char* b, bool accumulate, float* c) {
  constexpr int64_t kRowBytes = kPanel * sizeof(float);
  if (accumulate) {
    _tile_loadd(0, c, kRowBytes);
    _tile_loadd(1, c + 16, kRowBytes);
    _tile_loadd(2, c + 16 * kPanel, kRowBytes);
    _tile_loadd(3, c + 16 * kPanel + 16, kRowBytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t i = 0; i < steps; ++i, a += kPanelStepBytes, b += kPanelStepBytes) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + 1024, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + 1024, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, kRowBytes);
  _tile_stored(1, c + 16, kRowBytes);
  _tile_stored(2, c + 16 * kPanel, kRowBytes);
  _tile_stored(3, c + 16 * kPanel + 16, kRowBytes);
}

// In pieces of columns of which all four panels, and the sums, stay in the nearest cache.
void multiply_block(int64_t steps, const char* const x[2], const char* const w[2], bool accumulate, float* c) {
  constexpr int64_t kPieceSteps = 8;
  [[maybe_unused]] const AmxEngine::Session session;
  memory_barrier();
  for (int64_t step = 0; step < steps; step += kPieceSteps) {
    const int64_t piece = steps - step < kPieceSteps ? steps - step : kPieceSteps;
    for (int64_t j = 0; j < 2; ++j) {
      for (int64_t i = 0; i < 2; ++i) {
        multiply_panels(piece, x[i] + step * kPanelStepBytes, w[j] + step * kPanelStepBytes, accumulate || step > 0,
                        c + (2 * j + i) * kPanel * kPanel);
      }
    }
  }
  memory_barrier();
}

constexpr MatrixUnit kMatrixUnit = {pack_row_panel, pack_weight_panel, multiply_block};

constexpr LayerKernels kLayerKernels = make_layer_kernels(&kMatrixUnit);

}  // namespace isa_amx_bf16

constexpr Kernels kAmxBf16Kernels =
    isa_amx_bf16::make_kernels("amx_bf16", &isa_amx_bf16::kBfloat16Engine, &isa_amx_bf16::kLayerKernels);

}  // namespace pbs_attn
